"""The photograph that published reference outputs are about: fetched by hash, kept beside the models, not ours to
ship."""

from collections.abc import Callable
from pathlib import Path

import httpx

from .card import Card
from .digest import file_digest
from .fetch import Fetcher
from .remote import HttpsHost, PullError
from .store import Store


def reference_path(card: Card, store: Store) -> Path | None:
    """Where the card's photograph is kept, whether it is there or not; None for a card without expectation."""
    expected = card.expectation
    return None if expected is None else store.folder / "reference" / f"{expected.image_sha256}.png"


def fetch_reference(
    card: Card, store: Store, client: httpx.Client, *, advance: Callable[[int], None] = lambda count: None
) -> Path | None:
    """The card's photograph on this machine, fetched where it is missing; None for a card without expectation.

    One try: a pull does not fail or wait for it. Raises PullError.
    """
    path, expected = reference_path(card, store), card.expectation
    if path is None or expected is None:
        return None
    if path.is_file() and file_digest(path) == expected.image_sha256:
        return path
    host = HttpsHost(expected.image_url)
    Fetcher(client, patience=1).fetch(lambda: host.remote(path.name), path, advance)
    found = file_digest(path)
    if found != expected.image_sha256:
        path.unlink()
        rule = f"has sha256 {found}, and {expected.image_sha256} by the card"
        raise PullError("digest", expected.image_url, rule, "Give the photograph with --image instead")
    return path
