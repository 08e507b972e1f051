"""A fine-tuned or prebuilt checkpoint on the hub, named `hub:ORG/NAME[@REVISION]`: its card, made from its own
configuration at the commit that the revision means now."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from .card import Card, CardError, Source, SourceFile
from .catalog import Catalog
from .checkpoint import CONFIG, PREPROCESSOR, WEIGHTS, checkpoint_card
from .fetch import Fetcher
from .remote import HubHost, PullError

PREFIX = "hub:"


def hub_card(
    spec: str, catalog: Catalog, *, today: date, endpoint: str | None = None, token: str | None = None
) -> Card:
    """The card of the checkpoint that `spec` names; one that `catalog` (the built-in one) has is taken from there.

    Raises CardError for a name or a configuration that can't be served, and PullError.
    """
    repository, _, revision = spec.removeprefix(PREFIX).partition("@")
    if repository.count("/") != 1:
        raise CardError(spec, "", "is no name of a checkpoint", f"Use {PREFIX}ORG/NAME, or {PREFIX}ORG/NAME@COMMIT")
    known = catalog.find(repository)
    if known is not None and known.source.repository != repository:
        raise CardError(spec, "", f"{repository} is an id of {known.id}", "Pull that one by its own id")
    if known is not None and not revision:
        return known
    host = HubHost(repository, revision or "main", endpoint, token)
    commit = host.remote(CONFIG).commit or revision or "main"
    if known is not None:  # a documented model at another revision: digests of the pinned one do not hold
        files = tuple(SourceFile(file.name) for file in known.source.files)
        return replace(known, source=Source("hub", files, repository, commit))
    host = HubHost(repository, commit, endpoint, token)
    with TemporaryDirectory() as folder:
        files = [SourceFile(name) for name in _configuration(host, Path(folder))]
        source = Source("hub", (*files, *_weights(host)), repository, commit)
        return checkpoint_card(repository, Path(folder), source, author=repository.split("/")[0], today=today)


def _configuration(host: HubHost, folder: Path) -> list[str]:
    """Fetches the two configurations; the second may be missing."""
    found: list[str] = []
    with httpx.Client(timeout=30.0, follow_redirects=True) as client:
        for name in (CONFIG, PREPROCESSOR):
            try:
                host.remote(name)
            except PullError as error:
                if error.kind != "missing" or name == CONFIG:
                    raise
                continue
            Fetcher(client).fetch(lambda name=name: host.remote(name), folder / name, lambda count: None)
            found.append(name)
    return found


def _weights(host: HubHost) -> tuple[SourceFile, ...]:
    for name in WEIGHTS:
        try:
            return (SourceFile(name, host.remote(name).size),)
        except PullError as error:
            if error.kind != "missing":
                raise
    rule = f"has none of {', '.join(WEIGHTS)}"
    raise PullError("unsupported", host.repository, rule, "Save the checkpoint with safetensors, in one file")
