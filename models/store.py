"""The models of this machine: which weights are installed, whole and usable, and what stands in for those that
are not. One folder a model under `<home>/models`, put there by one rename, so that it is there whole or not."""

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from .card import Card, CardError, Source, SourceFile, parse
from .card_text import dump
from .catalog import Catalog
from .digest import Verified, file_digest, state
from .lock import Lock, LockError, Precision

MODEL, CARD, LOCK, VERIFIED = "model.onnx", "card.toml", "lock.json", "verified.json"
PACKAGED = Path(__file__).parent / "embedded"

_log = logging.getLogger(__name__)


class StoreError(Exception):
    """What is wrong with a model's weights: `model`, `rule`, `remedy`."""

    def __init__(self, model: str, rule: str, remedy: str) -> None:
        super().__init__(f"{model}: {rule}. {remedy}")
        self.model, self.rule, self.remedy = model, rule, remedy


class MissingWeights(StoreError):
    """No weights are installed, and nothing may or can stand in."""


class BrokenWeights(StoreError):
    """Weights are installed and are not what was recorded when they came."""


@dataclass(frozen=True, slots=True)
class Weights:
    """An ONNX file in the served contract, and the card whose input rule, head and labels apply to it."""

    path: Path
    card: Card
    origin: Literal["installed", "embedded"]
    sha256: str
    size: int  # bytes
    precision: Precision


def utc_now() -> datetime:
    """The time of now, UTC."""
    return datetime.now(UTC)


class Store:
    """Weights under `home`/models of the models in `catalog`, and of those that were added here."""

    def __init__(self, home: Path, catalog: Catalog, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.folder = home / "models"
        self._builtin, self._clock = catalog, clock

    def today(self) -> date:
        """The day of now, UTC: the first of prices and cards that are made here."""
        return self._clock().date()

    def catalog(self) -> Catalog:
        """The known models and the ones added here; a folder with an unreadable card is left out and logged."""
        return self._builtin.extended(self._added())

    def find(self, id_or_alias: str) -> Card | None:
        """The card that answers to an id, looked for among the built-in ones first; None where there is none."""
        return self._builtin.find(id_or_alias) or self.catalog().find(id_or_alias)

    def weights(self, card: Card, *, missing: Literal["embedded", "error"]) -> Weights:
        """Weights to serve `card` with: the installed ones, or those that stand in where `missing` allows it.

        Raises MissingWeights, and BrokenWeights where installed ones are not as recorded.
        """
        found = self.installed(card)
        if found is not None:
            return found
        substitute = self._builtin.embedded(card.task) if missing == "embedded" else None
        found = None if substitute is None else self._packaged(substitute)
        if found is None:
            raise MissingWeights(card.id, "no weights are installed", _remedy(card))
        return found

    def installed(self, card: Card) -> Weights | None:
        """The installed weights, checked against their record; None where there are none. Raises BrokenWeights."""
        if card.source.kind == "packaged":
            return self._packaged(card)
        folder, old = self._folder(card), self._sibling(card, "old")
        if not folder.is_dir() and not old.is_dir():
            return None
        with suppress(BrokenWeights):
            if found := self._read(card):
                return found
        # Half there: another process is swapping it, or died while it did. Its lock tells which.
        with self.held(card):
            if not folder.is_dir() and (old / LOCK).is_file():
                old.replace(folder)
            return self._read(card)

    def stamp(self, card: Card) -> tuple[int, int] | None:
        """Changes whenever the installed weights of `card` do; one stat, so it can be asked at every request."""
        try:
            status = self._folder(card).stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def lock(self, card: Card) -> Lock | None:
        """The record of where the installed weights came from, or None."""
        try:
            return Lock.read(self._folder(card) / LOCK)
        except (OSError, LockError):
            return None

    def add_file(self, card: Card, model: bytes, *, source: Source, precision: Precision = "fp32") -> Weights:
        """Installs `model` (ONNX in the served contract) for `card`, in place of what was there.

        `source` is recorded: where the weights came from, with the digests that were seen. Raises OSError.
        """
        digest = hashlib.sha256(model).hexdigest()
        recorded_at = self._clock().isoformat(timespec="seconds")
        lock = Lock(card.id, digest, len(model), precision, source, recorded_at)
        with self.held(card):
            draft = self._drafted(card, model, lock)
            self._swap(draft, self._folder(card))
        return self._checked(self._folder(card), card, lock)

    def staging(self, card: Card) -> Path:
        """Where files of a checkpoint are gathered before it is installed; kept after a failure, to go on from."""
        return self._sibling(card, "download")

    def remove(self, card: Card) -> int:
        """Removes installed weights; the bytes that were freed, 0 where there were none."""
        with self.held(card):
            folder = self._folder(card)
            self._drop_staging(card)
            freed = sum(file.stat().st_size for file in folder.glob("*")) if folder.is_dir() else 0
            if folder.is_dir():
                doomed = self._sibling(card, "old")
                shutil.rmtree(doomed, ignore_errors=True)
                (folder / LOCK).unlink(missing_ok=True)  # without it, nothing is installed whatever follows
                folder.replace(doomed)
                shutil.rmtree(doomed)
        return freed

    @contextmanager
    def held(self, card: Card, purpose: str = "install") -> Generator[None, None, None]:
        """One process at a time: waits until no other holds the model for the same purpose."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._sibling(card, f"{purpose}.lock")):
            yield

    def _drop_staging(self, card: Card) -> None:
        """What unfinished pulls left; a pull that is under way keeps its files."""
        with suppress(Timeout), FileLock(self._sibling(card, "pull.lock"), timeout=0):
            shutil.rmtree(self.staging(card), ignore_errors=True)

    def _folder(self, card: Card) -> Path:
        return self.folder / card.slug

    def _sibling(self, card: Card, kind: str) -> Path:
        return self.folder / f".{card.slug}.{kind}"

    def _read(self, card: Card) -> Weights | None:
        folder = self._folder(card)
        try:
            lock = Lock.read(folder / LOCK)
            own = parse((folder / CARD).read_text("utf-8"), str(folder / CARD))
            return self._checked(folder, own, lock)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (LockError, CardError, UnicodeDecodeError) as error:
            raise BrokenWeights(card.id, str(error), _again(card)) from error

    def _drafted(self, card: Card, model: bytes, lock: Lock) -> Path:
        """A new folder with everything in it, on the disk; what a dead process left there is swept away."""
        draft = self._sibling(card, "new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        (draft / MODEL).write_bytes(model)
        (draft / CARD).write_text(dump(card), "utf-8")
        lock.write(draft / LOCK)
        for path in (draft / MODEL, draft / CARD, draft / LOCK):
            _sync(path)
        Verified(draft / VERIFIED).remember(state(draft / MODEL), lock.sha256)
        _sync(draft)
        return draft

    def _swap(self, draft: Path, folder: Path) -> None:
        old = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.replace(old)
        draft.replace(folder)
        _sync(self.folder)
        shutil.rmtree(old, ignore_errors=True)

    def _checked(self, folder: Path, card: Card, lock: Lock) -> Weights:
        path = folder / MODEL
        size = path.stat().st_size
        if size != lock.size:
            raise BrokenWeights(card.id, f"{path} has {size} bytes, {lock.size} were recorded", _again(card))
        digest = Verified(folder / VERIFIED).sha256(path)
        if digest != lock.sha256:
            raise BrokenWeights(card.id, f"{path} has sha256 {digest}, not {lock.sha256}", _again(card))
        return Weights(path, card, "installed", digest, size, lock.precision)

    def _packaged(self, card: Card) -> Weights | None:
        file = card.source.files[0]
        path = PACKAGED / file.name
        if not path.is_file():
            return None
        digest = file_digest(path)
        if file.sha256 not in (None, digest):
            raise BrokenWeights(card.id, f"{path} has sha256 {digest}", "Install the package again")
        return Weights(path, card, "embedded", digest, path.stat().st_size, "fp32")

    def _added(self) -> Iterator[Card]:
        for path in sorted(self.folder.glob(f"[!.]*/{CARD}")):
            try:
                card = parse(path.read_text("utf-8"), str(path))
            except (CardError, OSError, UnicodeDecodeError) as error:
                _log.warning("left out: %s", error)
                continue
            if self._builtin.find(card.id) is None and path.parent.name == card.slug:
                yield card


def recorded(source: Source, folder: Path) -> Source:
    """`source` with the size and sha256 that its files have in `folder`, which is what a lock keeps."""
    files = tuple(
        SourceFile(file.name, (folder / file.name).stat().st_size, file_digest(folder / file.name), file.md5)
        for file in source.files
    )
    return Source(source.kind, files, source.repository, source.revision, source.url)


def _remedy(card: Card) -> str:
    if card.source.kind == "file":
        return f"Add its file again: inflare models add {card.id} --file FILE --like MODEL"
    return f'Run "inflare pull {card.id}", or set [weights] missing = "embedded" where a stand-in will do'


def _again(card: Card) -> str:
    return f'Remove it with "inflare models remove {card.id}" and install it again'


def _sync(path: Path) -> None:
    """Has the disk hold what was written, so that a rename never publishes an empty file."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
