"""Official weights, from their host into the store: planned, fetched with resume, checked by digest, compiled to
ONNX and installed in one step. Two pulls of one model download once."""

import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import httpx

from .card import Card, Source, SourceFile
from .checkpoint import build
from .digest import file_digest
from .fetch import Fetcher
from .progress import Progress, bars
from .reference import fetch_reference
from .remote import Host, HttpsHost, HubHost, PullError, Remote
from .store import BrokenWeights, Store, Weights, recorded

Build = Callable[..., bytes]  # of a folder, its card and, where layers are cut, decoder_layers

_log = logging.getLogger(__name__)
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)  # seconds


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that a pull needs: bytes in all, bytes already here, and where the rest comes from."""

    name: str
    size: int | None
    have: int
    url: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pull would do, in bytes; `installed` is what it would replace."""

    card: Card
    files: tuple[Wanted, ...]
    installed: Weights | None
    free: int

    @property
    def download(self) -> int:
        """Bytes still to be fetched, as far as hosts and cards say."""
        return sum(max(0, (file.size or 0) - file.have) for file in self.files)

    @property
    def needed(self) -> int:
        """Bytes on the disk while it runs: what is fetched, and the graph that is built from all of it."""
        return self.download + sum(file.size or 0 for file in self.files)


class Puller:
    """Pulls into `store`. `endpoint` and `token` are the environment's where None; `free` tells a disk's room."""

    def __init__(
        self,
        store: Store,
        *,
        build: Build = build,
        endpoint: str | None = None,
        token: str | None = None,
        progress: Progress = bars,
        pause: Callable[[float], None] = time.sleep,
        free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
        decoder_layers: int | None = None,
    ) -> None:
        """`decoder_layers` keeps only the first of an RT-DETR's decoder; None keeps all."""
        self._store, self._progress, self._free, self._layers = store, progress, free, decoder_layers
        self._build = build if decoder_layers is None else partial(build, decoder_layers=decoder_layers)
        self._endpoint, self._token, self._pause = endpoint, token, pause

    def plan(self, card: Card) -> Plan:
        """What `pull` would fetch, without fetching it. Raises PullError."""
        host, staging = self._host(card.source), self._store.staging(card)
        files = tuple(self._wanted(host, file, staging) for file in card.source.files)
        return Plan(card, files, self._usable(card), self._room())

    def pull(self, card: Card, *, force: bool = False) -> Weights:
        """The model's weights, installed; fetched only where they are missing, broken, or `force` asks.

        Raises PullError, whatever `build` raises for a checkpoint that can't be built, and OSError.
        """
        host = self._host(card.source)
        if not force and (found := self._usable(card)):
            return found
        with self._store.held(card, "pull"):
            if not force and (found := self._usable(card)):
                return found  # another process pulled it meanwhile
            return self._pulled(card, host)

    def _pulled(self, card: Card, host: Host) -> Weights:
        staging = self._store.staging(card)
        staging.mkdir(parents=True, exist_ok=True)
        self._check_room(card, host, staging)
        known = self._known(card)
        with httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
            fetcher = Fetcher(client, pause=self._pause)
            for file in card.source.files:
                remote = self._brought(host, file, staging, fetcher)
                _check(staging / file.name, file, known.get(file.name), remote, card.source.kind == "hub")
        source = recorded(card.source, staging)
        self._fetch_reference(card)
        model = self._build(staging, card)
        weights = self._store.add_file(card, model, source=source, decoder_layers=self._layers)
        shutil.rmtree(staging, ignore_errors=True)
        return weights

    def _fetch_reference(self, card: Card) -> None:
        """The photograph to verify with, if it can be had: without it the weights are as good."""
        try:
            with httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
                fetch_reference(card, self._store, client)
        except PullError as error:
            _log.info("the photograph to verify %s with was not fetched: %s", card.id, error)

    def _brought(self, host: Host, file: SourceFile, staging: Path, fetcher: Fetcher) -> Remote:
        """The file in the staging folder: from an earlier try, from this machine's cache, or from its host."""
        target = staging / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        cached = host.cached(file.name)
        if cached is not None and not target.exists():
            shutil.copyfile(cached, target)
            return Remote(cached.as_uri())
        first = host.remote(file.name)
        size = file.size if first.size is None else first.size
        if target.exists() and target.stat().st_size == size:
            return first
        target.unlink(missing_ok=True)
        announced = iter([first])  # the first try needs no second question

        def locate() -> Remote:
            return replace(next(announced, None) or host.remote(file.name), size=size)

        with self._progress(file.name, size) as advance:
            return fetcher.fetch(locate, target, advance)

    def _wanted(self, host: Host, file: SourceFile, staging: Path) -> Wanted:
        cached = host.cached(file.name)
        if cached is not None:
            size = cached.stat().st_size
            return Wanted(file.name, size, size, cached.as_uri())
        remote = host.remote(file.name)
        here = (staging / file.name, staging / f"{file.name}.part")
        have = max((path.stat().st_size for path in here if path.exists()), default=0)
        return Wanted(file.name, file.size if remote.size is None else remote.size, have, remote.url)

    def _host(self, source: Source) -> Host:
        if source.kind == "hub" and source.repository and source.revision:
            return HubHost(source.repository, source.revision, self._endpoint, self._token)
        if source.kind == "https" and source.url and len(source.files) == 1:
            return HttpsHost(source.url)
        rule = "its weights are not fetched from anywhere"
        names = ", ".join(file.name for file in source.files)
        raise PullError("unsupported", names, rule, "They ship with the package or were added from a file")

    def _usable(self, card: Card) -> Weights | None:
        """What is installed, where it is whole, of the card's revision and of as many decoder layers as asked for."""
        lock = self._store.lock(card)
        if lock is None or (card.source.kind == "hub" and lock.source.revision != card.source.revision):
            return None
        if self._layers not in (None, lock.decoder_layers):
            return None
        with suppress(BrokenWeights):
            return self._store.installed(card)
        return None

    def _known(self, card: Card) -> dict[str, SourceFile]:
        """The digests that were recorded when the same revision came before: trusted at first sight, and held to."""
        lock = self._store.lock(card)
        if lock is None or lock.source.url != card.source.url:
            return {}
        pinned = lock.source.revision == card.source.revision
        return {file.name: file for file in lock.source.files} if pinned else {}

    def _check_room(self, card: Card, host: Host, staging: Path) -> None:
        files = tuple(self._wanted(host, file, staging) for file in card.source.files)
        plan = Plan(card, files, None, self._room())
        if plan.needed > plan.free:
            rule = f"needs {plan.needed} bytes on {self._store.folder}, where {plan.free} are free"
            raise PullError("disk", card.id, rule, "Make room, or set INFLARE_HOME to another disk")

    def _room(self) -> int:
        """Free bytes where the store is, or will be."""
        places: Sequence[Path] = (self._store.folder, *self._store.folder.parents)
        return self._free(next(place for place in places if place.exists()))


def _check(path: Path, file: SourceFile, known: SourceFile | None, remote: Remote, hub: bool) -> None:
    """Holds the bytes against every digest that somebody gave for them; a file that fails is thrown away."""
    size = path.stat().st_size
    if file.size not in (None, size):
        path.unlink()
        raise PullError("digest", file.name, f"has {size} bytes, {file.size} by the card", "Pull again")
    given = [("sha256", file.sha256, "the card"), ("md5", file.md5, "the card")]
    if known is not None:
        given.append(("sha256", known.sha256, "the lock file, recorded at the first pull"))
    if hub and remote.etag is not None:
        kind = {64: "sha256", 40: "git"}.get(len(remote.etag), "")
        given.append((kind, remote.etag, "the hub"))
    for algorithm, wanted, by in given:
        found = _digest(path, algorithm) if wanted and algorithm else wanted
        if found != wanted:
            path.unlink()
            rule = f"has {algorithm} {found}, and {wanted} by {by}"
            remedy = "Pull again; if it stays so, the file was changed: remove the model to trust it anew"
            raise PullError("digest", file.name, rule, remedy)


def _digest(path: Path, algorithm: str) -> str:
    """The file's digest; "git" is the sha1 by which git names a blob, as the hub does for small files."""
    if algorithm != "git":
        return file_digest(path, algorithm)
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
