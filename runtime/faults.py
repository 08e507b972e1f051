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
├── Forbidden           a valid token that may not do this
├── RateLimited         the account's requests a minute are used up
├── AllocationExhausted the account's free allocation of the day is used up
├── InsufficientCredits the account's wallet does not cover the price
├── IdempotencyConflict the key was used for another request
├── IdempotencyInFlight the key's first request still runs
├── WeightsMissing      the model is known, its weights are not installed, and no stand-in is allowed
├── Overloaded          the model's queue is full, or the account has too many requests at once
├── Stopping            the server is shutting down
├── Unavailable         the database of the ledger and the tokens does not answer
├── HostedOnly          what only the hosted service refuses, made on purpose
└── Internal            a bug or a broken engine; the text never says more
"""

from __future__ import annotations

import math


class Fault(Exception):
    """Something a caller is told about: the message holds the value, the rule and the remedy."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadInput(Fault):
    """The payload breaks the model's document; `param` names the member that does, where it is known."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


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


class Forbidden(Fault):
    """A valid token that may not do this."""


class Waiting(Fault):
    """The base of what passes by itself: `retry_after` is in whole seconds."""

    def __init__(self, message: str, retry_after: float = 1) -> None:
        super().__init__(message)
        self.retry_after = max(1, math.ceil(retry_after))


class RateLimited(Waiting):
    """The account's requests a minute are used up."""


class AllocationExhausted(Waiting):
    """The account's free allocation of the day is used up."""


class InsufficientCredits(Fault):
    """The account's wallet does not cover the price."""


class IdempotencyConflict(Fault):
    """The key was used for another request; trying again never helps."""


class IdempotencyInFlight(Waiting):
    """The key's first request still runs; the same request is answered, free, once it is done."""


class WeightsMissing(Fault):
    """The model is known, its weights are not installed, and no stand-in is allowed."""


class TooManyAtOnce(Waiting):
    """The account has too many requests at once."""


class Overloaded(Waiting):
    """The model's queue is full."""


class Stopping(Waiting):
    """The server is shutting down."""


class Unavailable(Waiting):
    """The database of the ledger and the tokens does not answer; the message says whether a charge may stand."""


class HostedOnly(Fault):
    """What only the hosted service refuses, made on purpose; `code` is its Cloudflare code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Internal(Fault):
    """A bug or a broken engine; the cause goes to the log, never to the caller."""

    def __init__(self) -> None:
        super().__init__("Internal server error")
