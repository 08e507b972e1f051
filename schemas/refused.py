"""The one way in which a body is turned away before any engine sees it."""

from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["empty", "mismatch", "base64", "malformed"]


class Refused(Exception):
    """The body holds no image that can be used.

    `kind`: "empty" (nothing was sent), "mismatch" (read, but not what the document asks for), "base64" (text that
    is no base64), "malformed" (bytes that are none of the forms, or a broken one). `message` is one short line that
    never quotes the body beyond a few characters; `path` is a JSON Pointer to what is wrong, "/" for the whole.
    """

    def __init__(self, kind: Kind, message: str, path: str = "/") -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.message = message
        self.path = path
