"""A film whose server sends it from its beginning only, as a file that can be read from anywhere."""

from __future__ import annotations

import tempfile
from typing import IO

import httpx

from .errors import StreamError

_SILENT_S = 5.0


def fetched(url: str, name: str) -> IO[bytes]:
    """The whole film in a file without a name, which is gone once it is closed. name: what people are told of it.

    Raises StreamError where it does not come, or not as a whole.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115  # closed by whoever reads it
    try:
        with httpx.stream("GET", url, follow_redirects=True, timeout=_SILENT_S) as reply:
            reply.raise_for_status()
            for part in reply.iter_bytes():
                file.write(part)
    except (httpx.HTTPError, OSError) as error:
        file.close()
        reason = type(error).__name__  # its text may quote the address
        raise StreamError(name, f"cannot be fetched ({reason})", "Check that it is there and whole") from error
    file.seek(0)
    return file
