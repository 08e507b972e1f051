"""The models of this machine: which weights are installed, whole and usable, and what stands in for those that
are not. One folder a model under `<home>/models`, put there by one rename, so that it is there whole or not."""

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
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
        self._stated: dict[str, Path] = {}

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
        return self._found(card)

    def stands_in(self, card: Card) -> bool:
        """Whether `card` would be answered by an embedded model, since nothing is installed for it."""
        own = card.source.kind == "packaged" or self._state(card) is not None
        return not own and self._builtin.embedded(card.task) is not None

    def original(self, card: Card) -> Weights | None:
        """The fp32 weights: the installed ones, or those kept when they were converted. Raises BrokenWeights."""
        if card.source.kind == "packaged":
            return self._shipped(card)
        found = self.installed(card)
        return found if found is None or found.precision == "fp32" else self._read(card, self._kept(card))

    def _found(self, card: Card) -> Weights | None:
        folder, old = self._folder(card), self._sibling(card, "old")
        if not folder.is_dir() and not old.is_dir():
            return None
        with suppress(BrokenWeights):
            if found := self._read(card, folder):
                return found
        # Half there: another process is swapping it, or died while it did. Its lock tells which.
        with self.held(card):
            if not folder.is_dir() and (old / LOCK).is_file():
                old.replace(folder)
            return self._read(card, folder)

    def stamp(self, card: Card) -> tuple[tuple[int, int] | None, ...] | None:
        """Changes whenever the weights that would answer for `card` do; a stat or two, asked at every request.

        None where nothing is installed. What could stand in counts too: it may have been converted, and a folder of
        the model's own may hold nothing that can be served.
        """
        substitute = self._builtin.embedded(card.task)
        found = tuple(self._state(each) for each in (card, substitute) if each is not None)
        return found if any(found) else None

    def _state(self, card: Card) -> tuple[int, int] | None:
        path = self._stated.get(card.id)
        if path is None:  # made once: a path costs more than the question
            path = self._stated[card.id] = self._folder(card)
        try:
            status = path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def lock(self, card: Card) -> Lock | None:
        """The record of where the installed weights came from, or None."""
        try:
            return Lock.read(self._folder(card) / LOCK)
        except (OSError, LockError):
            return None

    def add_file(
        self,
        card: Card,
        model: bytes,
        *,
        source: Source,
        precision: Precision = "fp32",
        decoder_layers: int | None = None,
        converted_from: str | None = None,
    ) -> Weights:
        """Installs `model` (ONNX in the served contract) for `card`, in place of what was there.

        `source` is recorded: where the weights came from, with the digests that were seen; the rest as in Lock.
        Installed fp32 weights are kept aside when another precision takes their place. Raises OSError.
        """
        digest = hashlib.sha256(model).hexdigest()
        recorded_at = self._clock().isoformat(timespec="seconds")
        lock = Lock(card.id, digest, len(model), precision, source, recorded_at, decoder_layers, converted_from)
        with self.held(card):
            draft = self._drafted(card, model, lock)
            if precision != "fp32":
                self._keep(card)
            self._swap(draft, self._folder(card))
            if precision == "fp32":
                shutil.rmtree(self._kept(card), ignore_errors=True)
        return self._checked(self._folder(card), card, lock)

    def convert(self, card: Card, model: bytes, precision: Precision) -> Weights:
        """Installs `model`, made of the fp32 weights of `card`, in their place; `restore` brings those back.

        Raises MissingWeights, BrokenWeights and OSError.
        """
        original = self._original(card)
        lock = None if card.source.kind == "packaged" else Lock.read(original.path.with_name(LOCK))
        return self.add_file(
            original.card,
            model,
            source=recorded(card.source, PACKAGED) if lock is None else lock.source,
            precision=precision,
            decoder_layers=None if lock is None else lock.decoder_layers,
            converted_from=original.sha256,
        )

    def restore(self, card: Card) -> Weights:
        """Has the fp32 weights installed again, and drops what was made of them.

        Raises MissingWeights, BrokenWeights and OSError.
        """
        original = self._original(card)
        if card.source.kind == "packaged":
            self.remove(card)
            return original
        lock, model = Lock.read(original.path.with_name(LOCK)), original.path.read_bytes()
        return self.add_file(original.card, model, source=lock.source, decoder_layers=lock.decoder_layers)

    def staging(self, card: Card) -> Path:
        """Where files of a checkpoint are gathered before it is installed; kept after a failure, to go on from."""
        return self._sibling(card, "download")

    def remove(self, card: Card) -> int:
        """Removes installed weights; the bytes that were freed, 0 where there were none."""
        with self.held(card):
            folder, kept = self._folder(card), self._kept(card)
            self._drop_staging(card)
            files = [file for place in (folder, kept) for file in place.rglob("*") if file.is_file()]
            freed = sum(file.stat().st_size for file in files)
            shutil.rmtree(kept, ignore_errors=True)
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
        lock = FileLock(self._sibling(card, f"{purpose}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if purpose == "pull":  # which may take minutes
                _log.warning("%s is being pulled by another process: waiting for it", card.id)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _drop_staging(self, card: Card) -> None:
        """What unfinished pulls left; a pull that is under way keeps its files."""
        with suppress(Timeout), FileLock(self._sibling(card, "pull.lock"), timeout=0):
            shutil.rmtree(self.staging(card), ignore_errors=True)

    def _folder(self, card: Card) -> Path:
        return self.folder / card.slug

    def _sibling(self, card: Card, kind: str) -> Path:
        return self.folder / f".{card.slug}.{kind}"

    def _kept(self, card: Card) -> Path:
        """Where the fp32 weights are while another precision is installed."""
        return self._sibling(card, "fp32")

    def _original(self, card: Card) -> Weights:
        if (found := self.original(card)) is None:
            raise MissingWeights(card.id, "no fp32 weights are installed", _remedy(card))
        return found

    def _keep(self, card: Card) -> None:
        """Keeps installed fp32 weights aside, whole or not at all: links where the disk can, copies elsewhere."""
        lock, folder, draft = self.lock(card), self._folder(card), self._sibling(card, "keeping")
        if lock is None or lock.precision != "fp32":
            return
        for place in (draft, self._kept(card)):
            shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(folder, draft, copy_function=_link)
        draft.replace(self._kept(card))

    def _read(self, card: Card, folder: Path) -> Weights | None:
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
        """The weights that ship, or what this machine made of them; nothing that was made of an older release."""
        shipped, lock = self._shipped(card), self.lock(card)
        if shipped is None or lock is None or lock.converted_from != shipped.sha256:
            return shipped
        converted = self._found(card)
        return shipped if converted is None else replace(converted, card=card, origin="embedded")

    def _shipped(self, card: Card) -> Weights | None:
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


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _sync(path: Path) -> None:
    """Has the disk hold what was written, so that a rename never publishes an empty file."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
