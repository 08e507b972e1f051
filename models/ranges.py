"""The range of a tensor that eight bits should cover, learnt from what goes through it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_SAMPLE: Final = 16_384  # values kept of one tensor of one picture
# Shares of the values that may be cut off at either end; the one with the least error is taken.
_CUTS: Final = (0.0, 1e-4, 3e-4, 1e-3, 3e-3)
_LEVELS: Final = 255


@dataclass(frozen=True, slots=True)
class Range:
    """`low` and `high` that eight bits cover; `fidelity` in dB is signal over what rounding and cutting cost."""

    low: float
    high: float
    fidelity: float


@dataclass(slots=True)
class Observed:
    """What went through one tensor: an even sample of every picture's values."""

    samples: list[NDArray[np.float32]] = field(default_factory=list[NDArray[np.float32]])

    def add(self, values: NDArray[Any]) -> None:
        """One picture's values, of any shape; the extremes are always among those kept."""
        flat = values.reshape(-1).astype(np.float32, copy=False)
        kept = flat[:: max(1, flat.size // _SAMPLE)]
        self.samples.append(np.concatenate([kept, [flat.min(), flat.max()]]).astype(np.float32))

    def range(self) -> Range:
        """The range with the least squared error (as TensorRT and others choose it); zero is always in it."""
        values = np.sort(np.concatenate(self.samples))
        power = float(np.mean(values.astype(np.float64) ** 2))
        best: Range | None = None
        for cut in _CUTS:
            place = int(cut * (len(values) - 1))
            low, high = min(0.0, float(values[place])), max(0.0, float(values[-1 - place]))
            found = Range(low, high, _fidelity(values, low, high, power))
            best = found if best is None or found.fidelity > best.fidelity else best
        return best or Range(0.0, 0.0, 0.0)


def _fidelity(values: NDArray[np.float32], low: float, high: float, power: float) -> float:
    step = (high - low) / _LEVELS
    if step <= 0 or power <= 0:
        return float("inf")
    rounded = np.clip(np.round((values - low) / step), 0, _LEVELS) * step + low
    error = float(np.mean((rounded - values).astype(np.float64) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(power / error))
