"""The door to a vectorised resizer: the filter of Pillow's BILINEAR in a sixth of the time, within one level of it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    import cykooz_resizer as library

    _resizer: Any = library
except ImportError:  # no wheel for this platform
    _resizer = None


def bilinear(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8] | None:
    """`pixels` uint8 [H, W, 3] as [height, width, 3] (read-only); a shrinking filter is widened as Pillow does.

    None where the library is absent. The interpreter is released.
    """
    if _resizer is None:
        return None
    kind = _resizer.PixelType.U8x3
    source = _resizer.ImageData(pixels.shape[1], pixels.shape[0], kind, pixels.tobytes())
    target = _resizer.ImageData(width, height, kind)
    convolution = _resizer.ResizeAlg.convolution(_resizer.FilterType.bilinear)
    _resizer.Resizer().resize(source, target, _resizer.ResizeOptions(convolution))
    return np.frombuffer(target.get_buffer(), np.uint8).reshape(height, width, 3)
