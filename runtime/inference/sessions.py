"""The door to ONNX Runtime: one session is one graph on one device, fed with uint8 images.

The served contract of a graph: `images` uint8 [batch, H, W, 3] and, where sizes may differ in a batch,
`sizes` int64 [batch, 2]; out come `logits`, `boxes` and, for skeletons, `keypoints` (float32).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import onnxruntime as _untyped_engine
from numpy.typing import NDArray

from .providers import ENGINE_NAMES, Choice, choose

# onnxruntime ships no type information; this is the one place where it is Any.
_engine = cast(Any, _untyped_engine)

Images = NDArray[np.uint8]
Outputs = Mapping[str, NDArray[np.float32]]

_ERRORS_ONLY = 3


class SessionError(Exception):
    """The engine could not load or run a graph; the cause is for the log."""


class Session(Protocol):
    """What the batcher needs of a session."""

    @property
    def takes_sizes(self) -> bool: ...

    def run(self, images: Images, sizes: NDArray[np.int64]) -> Outputs: ...


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """`threads` is the number of CPU threads of one inference."""

    choice: Choice
    threads: int


def available_providers(wanted: tuple[str, ...]) -> Choice:
    """Choose among `wanted` for this machine and this build of the engine."""
    return choose(wanted, _engine.get_available_providers())


class OnnxSession:
    """One loaded graph. `run` may be called from any thread, and releases the GIL while it computes."""

    def __init__(self, path: Path, options: SessionOptions) -> None:
        """Load `path`. Raises SessionError where the engine refuses it."""
        settings = _engine.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.inter_op_num_threads = 1
        settings.log_severity_level = _ERRORS_ONLY
        # Spinning threads steal the cores from decoding and from other models.
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        names = [ENGINE_NAMES[name] for name in options.choice.providers]
        if "cpu" not in options.choice.providers:
            names.append(ENGINE_NAMES["cpu"])
        try:
            self._session = _engine.InferenceSession(str(path), settings, providers=names)
        except Exception as error:  # the engine's errors share no base class of their own
            raise SessionError(f"{path.name}: {error}") from error
        self._inputs: dict[str, list[Any]] = {i.name: i.shape for i in self._session.get_inputs()}
        self._outputs: list[str] = [output.name for output in self._session.get_outputs()]
        self.path = path
        self.providers: tuple[str, ...] = tuple(self._session.get_providers())

    @property
    def takes_sizes(self) -> bool:
        """Whether a batch may hold images of different sizes, padded at the bottom and right."""
        return "sizes" in self._inputs

    @property
    def fixed_batch(self) -> int | None:
        """The batch size that the graph was built for, or None where any will do."""
        batch = self._inputs["images"][0]
        return batch if isinstance(batch, int) else None

    def run(self, images: Images, sizes: NDArray[np.int64]) -> Outputs:
        """Infer a batch.

        images: uint8 [batch, H, W, 3], RGB. sizes: int64 [batch, 2], valid (height, width) of each.
        Returns float32 arrays by name, batch first. Raises SessionError.
        """
        feed: dict[str, Any] = {"images": images}
        if self.takes_sizes:
            feed["sizes"] = sizes
        try:
            values = self._session.run(self._outputs, feed)
        except Exception as error:
            raise SessionError(f"{self.path.name}: {error}") from error
        return dict(zip(self._outputs, values, strict=True))
