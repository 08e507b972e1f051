"""The door to libjpeg-turbo: JPEG pixels straight into an array, equal to Pillow's and sooner.

Pillow remains the judge: it has read the header before, and it decodes whatever the library has a remark about.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    import simplejpeg as library

    _simplejpeg: Any = library
except ImportError:  # no wheel for this platform
    _simplejpeg = None


def pixels(data: bytes, width: int, height: int) -> NDArray[np.uint8] | None:
    """The RGB pixels uint8 [height, width, 3] (read-only) of a grey or colour JPEG; the interpreter is released.

    None where the library is absent or finds anything odd, a mere warning included.
    """
    if _simplejpeg is None:
        return None
    try:
        found: NDArray[np.uint8] = _simplejpeg.decode_jpeg(data, colorspace="RGB", strict=True)
    except (ValueError, MemoryError):
        return None
    if found.shape != (height, width, 3):
        return None
    found.flags.writeable = False
    return found
