"""Host memory that the driver has page-locked: a GPU reads it directly, where other memory is copied once more.

ONNX Runtime's Python gives none to its own CUDA provider (1.31: "cuda_pinned" is no device type of an OrtValue, and
`memory_info` wants a provider registered as a plugin), so the CUDA driver is asked.
"""

from __future__ import annotations

import ctypes
import mmap
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_PORTABLE: Final = 1  # CU_MEMHOSTREGISTER_PORTABLE: page-locked for every context of the process
_POINTER, _SIZE, _NUMBER = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
# The CUDA driver API's functions and their parameters, as cuda.h (12 and 13) declares them.
_SIGNATURES: Final[dict[str, tuple[Any, ...]]] = {
    "cuInit": (ctypes.c_uint,),
    "cuDeviceGet": (ctypes.POINTER(_NUMBER), _NUMBER),
    "cuDevicePrimaryCtxRetain": (ctypes.POINTER(_POINTER), _NUMBER),
    "cuDevicePrimaryCtxRelease_v2": (_NUMBER,),
    "cuCtxPushCurrent_v2": (_POINTER,),
    "cuCtxPopCurrent_v2": (ctypes.POINTER(_POINTER),),
    "cuMemHostRegister_v2": (_POINTER, _SIZE, ctypes.c_uint),
    "cuMemHostUnregister": (_POINTER,),
}


class PinningError(Exception):
    """The driver is not there or refused; its status is in the text."""


class PinnedArray:
    """`array`, of page-locked memory until this object goes."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], device: int, driver: Driver) -> None:
        """Page-locks room for `shape` of `dtype`; `device` is the GPU's number. Raises PinningError."""
        size = max(1, int(np.prod(shape)) * dtype.itemsize)
        memory = mmap.mmap(-1, size)  # of whole pages
        flat: NDArray[Any] = np.frombuffer(memory, dtype=dtype, count=int(np.prod(shape)))
        self.array = flat.reshape(shape)
        address = self.array.ctypes.data
        driver.register(address, size, device)
        # The memory outlives its lock: the finalizer holds it.
        weakref.finalize(self, _release, driver, address, device, memory).atexit = False


class Driver:
    """The part of the CUDA driver API that page-locks memory, in the primary context of a device."""

    def __init__(self, load: Callable[[str], Any] = ctypes.CDLL) -> None:
        """Raises PinningError where there is no driver."""
        try:
            self._library = load("libcuda.so.1")
            for name, parameters in _SIGNATURES.items():
                getattr(self._library, name).argtypes = parameters
        except (OSError, AttributeError) as error:
            raise PinningError(str(error)) from error
        self._call("cuInit", 0)

    def register(self, address: int, size: int, device: int) -> None:
        """Page-locks `size` bytes from `address` on. Raises PinningError."""
        with self._context(device):
            self._call("cuMemHostRegister_v2", address, size, _PORTABLE)

    def unregister(self, address: int, device: int) -> None:
        """Undoes `register`. Raises PinningError."""
        with self._context(device):
            self._call("cuMemHostUnregister", address)

    @contextmanager
    def _context(self, device: int) -> Generator[None]:
        """The device's primary context, which is the one that ONNX Runtime computes in."""
        handle, context = _NUMBER(0), _POINTER()
        self._call("cuDeviceGet", ctypes.byref(handle), device)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), handle)
        try:
            self._call("cuCtxPushCurrent_v2", context)
            try:
                yield
            finally:
                self._call("cuCtxPopCurrent_v2", ctypes.byref(_POINTER()))
        finally:
            self._call("cuDevicePrimaryCtxRelease_v2", handle)

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise PinningError(f"{name} failed with status {status}")


def _release(driver: Driver, address: int, device: int, memory: mmap.mmap) -> None:
    """`memory` is only held until here."""
    with suppress(PinningError):  # a lost device takes its locks with it
        driver.unregister(address, device)
