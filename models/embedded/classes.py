"""The classes of the embedded detector: COCO's names, how each is drawn, and how it may stand in a scene."""

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

from .animals import draw_bird, draw_cat, draw_dog
from .pen import Pen
from .street import draw_clock, draw_kite, draw_sports_ball, draw_stop_sign, draw_traffic_light
from .vehicles import draw_bicycle, draw_bus, draw_car

Draw = Callable[[Pen, Generator], None]


@dataclass(frozen=True)
class Kind:
    """A class: COCO's name, its drawing (None: a person, who has joints), its usual size beside
    the others, the standard deviation of its turn in radians, and whether it may be mirrored."""

    name: str
    draw: Draw | None
    size: float = 1.0
    turn: float = 0.1
    mirrored: bool = True


# In the order of the labels that the network gives.
KINDS: tuple[Kind, ...] = (
    Kind("person", None, 1.25, 0.1),
    Kind("bicycle", draw_bicycle, 1.1, 0.12),
    Kind("car", draw_car, 1.25, 0.06),
    Kind("bus", draw_bus, 1.5, 0.05),
    Kind("traffic light", draw_traffic_light, 0.8, 0.15, mirrored=False),
    Kind("stop sign", draw_stop_sign, 0.75, 0.12, mirrored=False),
    Kind("bird", draw_bird, 0.8, 0.25),
    Kind("cat", draw_cat, 0.9, 0.1),
    Kind("dog", draw_dog, 1.0, 0.1),
    Kind("sports ball", draw_sports_ball, 0.5, 3.0),
    Kind("kite", draw_kite, 0.95, 0.6),
    Kind("clock", draw_clock, 0.7, 0.1, mirrored=False),
)
LABELS: tuple[str, ...] = tuple(kind.name for kind in KINDS)
PERSON = LABELS.index("person")
# How often each is drawn for training, in the order of KINDS: what bends is harder to learn than what is rigid.
TRAINING_ODDS: tuple[float, ...] = (2.5, 1, 1, 1, 1, 1, 1.5, 1.3, 1.3, 1, 1.3, 1)


def training_odds(people: float | None = None) -> tuple[float, ...]:
    """The odds of each class in training, with that share of people (0..1, exclusive) where one is given."""
    if people is None:
        return TRAINING_ODDS
    others = sum(TRAINING_ODDS) - TRAINING_ODDS[PERSON]
    return tuple(people / (1 - people) * others if kind == PERSON else odds for kind, odds in enumerate(TRAINING_ODDS))
