"""An answer as it went over the wire, for callers that ask for it with `returnRawResponse`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RawResponse:
    """Status, headers (lower case) and body of the binding's answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the status is a success."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body's value. Raises ValueError where it is not JSON."""
        return json.loads(self.body)
