"""What a request costs: the price book, from the models' cards, by face and model, versioned by date."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from ...models.card import Card

Unit = Literal["request", "image"]
BillingFace = Literal["cloudflare", "aigateway", "gigarouter"]

# Workers AI's documents: $0.011 for 1,000 neurons. Shown, never billed in.
NANO_USD_PER_NEURON = 11_000
MICRO_NEURONS = 1_000_000  # in one neuron
# detr-resnet-50's own figure, 0.6841666668 neurons a request, as the documents round it; its price divided by
# the price of a neuron would be 0.6818.
DETR_NANO_USD, DETR_MICRO_NEURONS = 7_500, 684_200


@dataclass(frozen=True, slots=True)
class Quote:
    """The price in force: `nano_usd` a `unit`; 0 where there is none."""

    face: BillingFace
    model: str
    unit: Unit
    nano_usd: int
    since: date | None

    @property
    def documented(self) -> bool:
        """Whether anybody published or set a price for this model on this face; if not, say that it is free."""
        return self.nano_usd > 0

    def cost(self, images: int = 1) -> int:
        """Nano-dollars of so many images; an inference request of the services that count by it takes one image."""
        return self.nano_usd * images

    @property
    def micro_neurons(self) -> int:
        """Millionths of a neuron that a unit shows as on the Cloudflare face; 0 on the others."""
        if self.face != "cloudflare":
            return 0
        if self.nano_usd == DETR_NANO_USD:
            return DETR_MICRO_NEURONS
        return self.nano_usd * MICRO_NEURONS // NANO_USD_PER_NEURON

    @property
    def neurons(self) -> str:
        """For the header `cf-ai-neurons`: "0.6842"."""
        return f"{self.micro_neurons / MICRO_NEURONS:.4f}"

    def __str__(self) -> str:
        if not self.documented:
            return f"{self.model} on {self.face}: no documented price, charged 0"
        return f"{self.model} on {self.face}: {self.nano_usd} nano-dollars per {self.unit} since {self.since}"


def quote(card: Card, face: BillingFace, at: datetime) -> Quote:
    """The price of a card's model on `face` at `at` (aware; prices change at 00:00 UTC).

    The card's own price for the face goes before its price for every face, and gigarouter's holds on every face that
    has neither. A price does not hold before its date; without one the model costs 0.
    """
    day = at.astimezone(UTC).date()
    price = card.price(face, day) or card.price("gigarouter", day)
    if price is None:
        return Quote(face, card.id, "request", 0, None)
    return Quote(face, card.id, price.unit, price.nano_usd, price.since)
