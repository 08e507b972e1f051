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
    options = _resizer.ResizeOptions(_resizer.ResizeAlg.convolution(_resizer.FilterType.bilinear))
    resizer = _resizer.Resizer()
    rows, columns = pixels.shape[:2]
    found = _resizer.ImageData(columns, rows, kind, pixels.tobytes())
    # First across, then down, as Pillow does, with levels in between: the library's own order is the other one, and
    # leaves a tenth of the values a level away instead of a few thousandths.
    for across, down in ((width, rows), (width, height)):
        if (across, down) != (found.width, found.height):
            source, found = found, _resizer.ImageData(across, down, kind)
            resizer.resize(source, found, options)
    return np.frombuffer(found.get_buffer(), np.uint8).reshape(height, width, 3)
