"""What the hosted service can refuse and this runtime never does: no fault stands for it, but a client may have to
live with it, so it can be made on purpose. How an error looks on Cloudflare's faces is said here too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wire:
    """How a fault looks on this face; `text` is a format string of the fault's own message."""

    status: int
    code: int
    text: str = "{}"
    routed: bool = True  # False: refused before a model was reached, so `result` is null


_NEURONS = (
    "You have used up your daily free allocation of 10,000 neurons. Please upgrade to Cloudflare's Workers Paid plan "
    "if you would like to continue usage."
)
_REFUSED = "The account is not allowed to access this model"

# By code. The documented table (platform/errors) word for word, "injected" in the place of a model's name;
HOSTED: Mapping[int, Wire] = {
    3023: Wire(
        403, 3023, "Service unavailable for account"
    ),  # here also the code of a 402, which the service does not have
    3036: Wire(429, 3036, _NEURONS),
    3039: Wire(400, 3039, "Finetune is missing required files (model.safetensors and config.json)"),
    3041: Wire(403, 3041, _REFUSED),
    3042: Wire(404, 3042, "The model name is invalid"),
    5005: Wire(405, 5005, "The model injected does not support LoRa inference"),
    5016: Wire(403, 5016, "User has not agreed to Llama3.2 model terms"),
    5018: Wire(403, 5018, _REFUSED),
    5019: Wire(405, 5019, "Request trying to use deprecated SDK version"),
    # then those that only live answers show: what they say is recorded, a status in part.
    2001: Wire(400, 2001, "Please configure AI Gateway in the Cloudflare dashboard"),
    3001: Wire(500, 3001, "Internal server error"),
    3030: Wire(400, 3030, "AiError: output has been flagged"),
    3046: Wire(408, 3046, "AiError: Request timeout"),
    5028: Wire(410, 5028, "This model is deprecated"),
    5035: Wire(403, 5035, "This model requires the Workers Paid plan."),
    9106: Wire(400, 9106, "Authentication failed (status: 400)", routed=False),
}
