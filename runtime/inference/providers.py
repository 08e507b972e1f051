"""Which execution providers this machine can really run, found without asking the engine to try.

ONNX Runtime lists CUDA on machines that have no GPU and falls back with two coloured lines on stderr;
probing the libraries first leaves one calm line and no surprise.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# What each provider's shared object needs beyond what its wheel carries.
NEEDS = {
    "tensorrt": ("libcuda.so.1", "libnvinfer.so.10"),
    "cuda": ("libcuda.so.1", "libcudnn.so.9"),
    "cpu": (),
}
ENGINE_NAMES = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """`providers` in order of use, by their short names; `reason` is one line for the log."""

    providers: tuple[str, ...]
    reason: str

    @property
    def device(self) -> str:
        """ "gpu" or "cpu": what the first provider runs on."""
        return "cpu" if self.providers[0] == "cpu" else "gpu"


def loadable(library: str) -> bool:
    """Whether the dynamic linker finds and loads `library`."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def cuda_devices() -> int:
    """How many GPUs the CUDA driver sees; 0 without a driver. Asked of the driver, so that no context is made."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def choose(wanted: Sequence[str], available: Sequence[str], can_load: Callable[[str], bool] = loadable) -> Choice:
    """The usable ones of `wanted`, in that order; the CPU where none is.

    `available` holds the engine's own names of the providers that it was built with.
    """
    usable: list[str] = []
    refused: list[str] = []
    for name in wanted:
        missing = [library for library in NEEDS[name] if not can_load(library)]
        if ENGINE_NAMES[name] not in available:
            refused.append(f"{name}: not in this build of onnxruntime")
        elif missing:
            refused.append(f"{name}: {', '.join(missing)} not found")
        else:
            usable.append(name)
    chosen = tuple(usable) if usable else ("cpu",)
    why = f" ({'; '.join(refused)})" if refused else ""
    return Choice(chosen, f"inference runs on {chosen[0]}{why}")
