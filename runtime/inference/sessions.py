"""The door to ONNX Runtime: one session is one graph on one device, fed with uint8 images.

The served contract of a graph: `images` uint8 [batch, H, W, 3] and, where sizes may differ in a batch,
`sizes` int64 [batch, 2]; out come `logits`, `boxes` and, for skeletons, `keypoints` (float32).
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import onnxruntime as _untyped_engine
from numpy.typing import NDArray

from .mapped import fingerprint, mapped
from .pinned import Driver, PinnedArray, PinningError
from .providers import ENGINE_NAMES, Choice, choose, loadable

log = logging.getLogger("inflare.sessions")

# onnxruntime ships no type information; this is the one place where it is Any.
_engine = cast(Any, _untyped_engine)

Images = NDArray[np.uint8]
Outputs = Mapping[str, NDArray[np.float32]]

_ERRORS_ONLY = 3
# How an optimised graph is written: its weights, packed as the kernels read them, in a file to map.
_WRITTEN = {
    "session.save_external_prepacked_constant_initializers": "1",
    "session.optimized_model_external_initializers_min_size_in_bytes": "1024",
}
_TENSORS_NAME = "session.optimized_model_external_initializers_file_name"
# Device buffers are kept for so many input shapes; DETR sees one for each aspect ratio.
_SHAPES_KEPT = 8
# What the engine's messages hold when a device, not an image, is at fault.
_LOST = ("CUDA failure", "CUDA error", "CUBLAS", "CUDNN", "out of memory", "Failed to allocate memory", "device lost")


class SessionError(Exception):
    """The engine could not load or run a graph; the cause is for the log."""


class SessionLost(SessionError):
    """The session's device failed or is out of memory: another session may succeed where this one no longer can."""


class Session(Protocol):
    """What the batcher needs of a session."""

    @property
    def takes_sizes(self) -> bool: ...

    def run(self, images: Images, sizes: NDArray[np.int64]) -> Outputs: ...


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Where and how a graph runs.

    threads: CPU threads of one inference. device: the GPU's number. memory_limit: bytes of the GPU's arena, 0 for
    no limit. bind: keep inputs and outputs in device buffers (None: on a GPU). pin: copy inputs there from page-locked
    memory (None: where device buffers are on a GPU). cuda_graphs: record each input shape once and replay it. cache:
    where TensorRT keeps compiled engines.
    """

    choice: Choice
    threads: int
    device: int = 0
    memory_limit: int = 0
    bind: bool | None = None
    pin: bool | None = None
    cuda_graphs: bool = False
    cache: Path | None = None

    @property
    def bound(self) -> bool:
        """Whether device buffers are used."""
        return self.choice.device == "gpu" if self.bind is None else self.bind

    @property
    def pinned(self) -> bool:
        """Whether page-locked memory is asked for."""
        return self.choice.device == "gpu" and self.bound if self.pin is None else self.pin

    def providers(self) -> list[tuple[str, dict[str, str]]]:
        """The engine's providers in order, each with its options; the CPU is always last."""
        names = [name for name in self.choice.providers if name != "cpu"]
        return [*((ENGINE_NAMES[name], self._options(name)) for name in names), (ENGINE_NAMES["cpu"], {})]

    def _options(self, name: str) -> dict[str, str]:
        if name == "cuda":
            options = {
                "device_id": str(self.device),
                "arena_extend_strategy": "kSameAsRequested",  # the default doubles the arena at each growth
                "enable_cuda_graph": str(int(self.cuda_graphs)),
                "use_tf32": "0",  # fp32 means fp32; who wants speed converts to fp16
            }
            return options | ({"gpu_mem_limit": str(self.memory_limit)} if self.memory_limit else {})
        cache = str(self.cache or "")
        kept = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": cache, "trt_timing_cache_enable": "1"}
        return {"device_id": str(self.device), **(kept if cache else {})}


def available_providers(wanted: tuple[str, ...]) -> Choice:
    """Choose among `wanted` for this machine and this build of the engine."""
    if "cpu" not in wanted[:1] and loadable("libcuda.so.1"):
        _load_cuda()
    return choose(wanted, _engine.get_available_providers())


def _load_cuda() -> None:
    """CUDA's libraries as pip installs them lie where the dynamic linker does not look: it finds what is loaded."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            _engine.preload_dlls()
    except Exception as error:  # what is missing then is named where a provider is refused
        said.write(str(error))
    if said.getvalue():
        log.info("loading CUDA's libraries: %s", said.getvalue().strip().replace("\n", "; "))


def _settings(threads: int) -> Any:
    settings = _engine.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = _ERRORS_ONLY
    # Spinning threads steal the cores from decoding and from other models.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return settings


def optimised(path: Path, digest: str) -> Path:
    """The graph of `path`, of SHA-256 `digest`, as optimised for the CPU and mapped by all that open it.

    Made beside `path` on first use; `path` itself where it cannot be.
    """

    def write(graph: Path, tensors: Path) -> None:
        settings = _settings(1)
        settings.optimized_model_filepath = str(graph)
        settings.add_session_config_entry(_TENSORS_NAME, tensors.name)
        for entry in _WRITTEN.items():
            settings.add_session_config_entry(*entry)
        _engine.InferenceSession(str(path), settings, providers=[ENGINE_NAMES["cpu"]])

    made_for = fingerprint(f"{_engine.__version__} {digest}", _WRITTEN)
    return mapped(path, made_for, write)


class OnnxSession:
    """One loaded graph. `run` may be called from any thread, and releases the GIL while it computes."""

    def __init__(self, path: Path, options: SessionOptions) -> None:
        """Load `path`. Raises SessionError where the engine refuses it."""
        settings = _settings(options.threads)
        try:
            self._session = _engine.InferenceSession(str(path), settings, providers=options.providers())
        except Exception as error:  # the engine's errors share no base class of their own
            raise _error(path, error) from error
        self._inputs: dict[str, list[Any]] = {i.name: i.shape for i in self._session.get_inputs()}
        self._outputs: list[str] = [output.name for output in self._session.get_outputs()]
        self._bindings: OrderedDict[tuple[int, ...], _Binding] = OrderedDict()
        self._options = options
        self.path = path
        self.providers: tuple[str, ...] = tuple(self._session.get_providers())

    @property
    def takes_sizes(self) -> bool:
        """Whether a batch may hold images of different sizes, padded at the bottom and right."""
        return "sizes" in self._inputs

    def run(self, images: Images, sizes: NDArray[np.int64]) -> Outputs:
        """Infer a batch.

        images: uint8 [batch, H, W, 3], RGB. sizes: int64 [batch, 2], valid (height, width) of each.
        Returns float32 arrays by name, batch first. Raises SessionError.
        """
        feed: dict[str, NDArray[Any]] = {"images": images}
        if self.takes_sizes:
            feed["sizes"] = sizes
        try:
            values = self._run_bound(feed) if self._options.bound else self._session.run(self._outputs, feed)
        except Exception as error:
            raise _error(self.path, error) from error
        return dict(zip(self._outputs, values, strict=True))

    def _run_bound(self, feed: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        shape = feed["images"].shape
        binding = self._bindings.get(shape)
        if binding is None:
            binding = self._bindings[shape] = _Binding(self._session, feed, self._outputs, self._options)
            if len(self._bindings) > _SHAPES_KEPT:
                self._bindings.popitem(last=False)
        self._bindings.move_to_end(shape)
        return binding.run(feed)


class _Binding:
    """Device buffers for one input shape. Its addresses stay the same, so a recorded CUDA graph can be replayed."""

    def __init__(
        self, session: Any, feed: Mapping[str, NDArray[Any]], outputs: list[str], options: SessionOptions
    ) -> None:
        kind = "cuda" if options.choice.device == "gpu" else "cpu"
        self._session, self._recorded = session, options.cuda_graphs
        self._binding = session.io_binding()
        self._buffers = {
            name: _engine.OrtValue.ortvalue_from_shape_and_type(value.shape, value.dtype.type, kind, options.device)
            for name, value in feed.items()
        }
        for name, buffer in self._buffers.items():
            self._binding.bind_ortvalue_input(name, buffer)
        self._sources = _page_locked(feed, options.device) if options.pinned else {}
        for name in outputs:
            self._binding.bind_output(name, kind, options.device)
        self._run_options = _engine.RunOptions()
        if self._recorded:
            # Output addresses must be fixed too: one run without recording tells the shapes.
            self._run_options.add_run_config_entry("gpu_graph_id", "-1")
            self.run(feed)
            self._fixed = list(self._binding.get_outputs())
            for name, value in zip(outputs, self._fixed, strict=True):
                self._binding.bind_ortvalue_output(name, value)
            # Each shape has a graph of its own; the buffer's address names it.
            number = self._buffers["images"].data_ptr() & 0x7FFFFFFF
            self._run_options.add_run_config_entry("gpu_graph_id", str(number))

    def run(self, feed: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        """Copy in, compute, copy out."""
        for name, value in feed.items():
            source = self._sources.get(name)
            if source is not None:
                np.copyto(source.array, value)
            self._buffers[name].update_inplace(value if source is None else source.array)
        self._session.run_with_iobinding(self._binding, self._run_options)
        return [np.array(value, copy=True) for value in self._binding.copy_outputs_to_cpu()]


def _page_locked(feed: Mapping[str, NDArray[Any]], device: int) -> dict[str, PinnedArray]:
    """Room for each input; nothing where the driver gives none, which costs speed alone."""
    try:
        driver = Driver()
        return {name: PinnedArray(value.shape, value.dtype, device, driver) for name, value in feed.items()}
    except PinningError as error:
        log.info("inputs are copied from pageable memory: %s", error)
        return {}


def _error(path: Path, error: Exception) -> SessionError:
    text = f"{path.name}: {error}"
    kind = SessionLost if any(mark.lower() in text.lower() for mark in _LOST) else SessionError
    return kind(text)
