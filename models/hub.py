"""A fine-tuned or prebuilt checkpoint on the hub, named `hub:ORG/NAME[@REVISION]`: its card, made from its own
configuration at the commit that the revision means now."""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from .card import Card, CardError, Source, SourceFile
from .catalog import Catalog
from .checkpoint import CONFIG, INDEX, PREPROCESSOR, WEIGHTS, checkpoint_card, shards
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
    with TemporaryDirectory() as place, httpx.Client(timeout=30.0, follow_redirects=True) as client:
        folder = _Folder(host, Path(place), Fetcher(client))
        files = (*folder.configuration(), *folder.weights())
        source = Source("hub", files, repository, commit)
        return checkpoint_card(repository, folder.path, source, author=repository.split("/")[0], today=today)


@dataclass(frozen=True, slots=True)
class _Folder:
    """The small files of a checkpoint, fetched to `path` to be read; of the large ones only their sizes."""

    host: HubHost
    path: Path
    fetcher: Fetcher

    def configuration(self) -> list[SourceFile]:
        """The two configurations; the second may be missing."""
        found = [self._fetched(CONFIG)]
        with suppress(_Missing):
            found.append(self._fetched(PREPROCESSOR))
        return found

    def weights(self) -> list[SourceFile]:
        """Safetensors, whole or in parts, before a prebuilt graph."""
        for name in WEIGHTS:
            with suppress(_Missing):
                if name != INDEX:
                    return [self._announced(name)]
                found = [self._fetched(name)]
                return [*found, *(self._announced(part) for part in shards(self.path / INDEX))]
        rule = f"has none of {', '.join(WEIGHTS)}"
        remedy = "Save the checkpoint with safetensors"
        raise PullError("unsupported", self.host.repository, rule, remedy)

    def _fetched(self, name: str) -> SourceFile:
        announced = self._announced(name)
        self.fetcher.fetch(lambda: self.host.remote(name), self.path / name, lambda count: None)
        return announced

    def _announced(self, name: str) -> SourceFile:
        try:
            return SourceFile(name, self.host.remote(name).size)
        except PullError as error:
            raise (_Missing if error.kind == "missing" else PullError)(
                error.kind, error.subject, error.rule, error.remedy
            ) from error


class _Missing(PullError):
    """A file that the repository does not have, which may be as it should be."""
