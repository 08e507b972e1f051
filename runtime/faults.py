"""The one tree of what can go wrong with a request; each face owns its table from Fault to wire.

Fault
├── BadInput            the payload breaks the model's document
├── EmptyBody           there is no payload
├── BadBase64           a base64 payload that is not one
├── BadImage            bytes that are no decodable image, or one that is too large
├── TooLarge            the body is over the limit
├── Timeout             the request took too long
├── Departed            the caller left before inference
├── NoSuchModel         no card has this name
├── NoSuchRoute         nothing answers at this path
├── BadAccount          the account in the path is malformed
├── MethodNotAllowed    the path exists, the method does not
├── Unauthenticated     no valid token
├── WeightsMissing      the model is known, its weights are not installed, and no stand-in is allowed
├── Overloaded          the model's queue is full
├── Stopping            the server is shutting down
└── Internal            a bug or a broken engine; the text never says more
"""

from __future__ import annotations


class Fault(Exception):
    """Something a caller is told about: the message holds the value, the rule and the remedy."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadInput(Fault):
    """The payload breaks the model's document."""


class EmptyBody(Fault):
    """There is no payload."""


class BadBase64(Fault):
    """A base64 payload that is not one."""


class BadImage(Fault):
    """Bytes that are no decodable image, or an image over the pixel limit."""


class TooLarge(Fault):
    """The body is over the limit."""


class Timeout(Fault):
    """The request took too long."""


class Departed(Fault):
    """The caller left before inference; nothing is charged and nobody reads the answer."""


class NoSuchModel(Fault):
    """No card has this name."""

    def __init__(self, model: str) -> None:
        super().__init__(f"No such model {model} or task")
        self.model = model


class NoSuchRoute(Fault):
    """Nothing answers at this path."""


class BadAccount(Fault):
    """The account in the path is malformed."""


class MethodNotAllowed(Fault):
    """The path exists, the method does not; `allowed` names those that do."""

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"{method} not supported for requested URI")
        self.allowed = allowed


class Unauthenticated(Fault):
    """No valid token."""


class WeightsMissing(Fault):
    """The model is known, its weights are not installed, and no stand-in is allowed."""


class Overloaded(Fault):
    """The model's queue is full; `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Stopping(Fault):
    """The server is shutting down."""

    retry_after = 1


class Internal(Fault):
    """A bug or a broken engine; the cause goes to the log, never to the caller."""

    def __init__(self) -> None:
        super().__init__("Internal server error")
