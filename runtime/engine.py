"""The one use-case: find, admit, reserve, decode, infer, read, settle. Every face and binding goes through here.

It speaks in frozen values and Faults; it knows no wire format, no HTTP and no command line.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from ..models.card import Card
from ..models.catalog import Catalog
from ..models.detection import Detection
from ..models.detector import Detector, OutputsError, Prepared
from ..models.image import ImageError
from ..models.store import MissingWeights, Store, StoreError, Weights
from . import faults
from .accounts import LOCAL, Account
from .admission import Admission
from .billing.orders import Charge
from .billing.prices import BillingFace
from .billing.till import Hashing, Purchase, Till
from .config import Settings
from .inference.batcher import CallerLeft, Inferred
from .inference.pool import Pool
from .inference.sessions import SessionError
from .threads import Threads

log = logging.getLogger("inflare.engine")

T = TypeVar("T")

# The digest of more bytes would hold the event loop for more than a tenth of a millisecond; a change of threads costs
# about as much.
_DIGESTED_INLINE = 1 << 17


def _never() -> bool:
    return False


def _either(departed: Callable[[], bool], refused: Callable[[], bool]) -> Callable[[], bool]:
    """Whether nobody wants the inference any more, or nobody will be sold it."""
    return lambda: departed() or refused()


class Job(msgspec.Struct, frozen=True):
    """One inference request.

    model: any id or alias of a card. image: an encoded image file. thresholds: None leaves every detection
    of the head in. departed: asked just before inference; a caller that left is dropped and pays nothing.
    idempotency_key: a repeat with the same key is answered again and charged once. digest: SHA-256 of what was asked,
    which must then be the same. digested: how many bytes that reads; where they are many, it is asked for in a thread.
    """

    model: str
    image: bytes | memoryview
    request_id: str
    account: Account = LOCAL
    face: BillingFace = "cloudflare"
    threshold: float | None = None
    keypoint_threshold: float | None = None
    idempotency_key: str | None = None
    digest: Callable[[], bytes] | None = None
    digested: int = sys.maxsize
    departed: Callable[[], bool] = _never


class Timings(msgspec.Struct, frozen=True, gc=False):
    """Milliseconds of each step of one request; `settle` is the ledger's."""

    decode: float
    queue: float
    infer: float
    read: float
    settle: float = 0.0


class Answer(msgspec.Struct, frozen=True):
    """What a request gets: detections sorted by score, which weights made them, and what it cost.

    model: the card's id. weights: "installed" or "embedded". width, height: of the image, in pixels.
    neurons: the cost as Workers AI shows it. charge: None until it is settled.
    """

    detections: Sequence[Detection]
    model: str
    weights: str
    width: int
    height: int
    timings: Timings
    request_id: str
    neurons: str = "0.0000"
    charge: Charge | None = None


Complete = Callable[[Sequence[Answer]], Awaitable[None]]


async def _completed(_: Sequence[Answer]) -> None:
    return


class Engine:
    """Runs jobs on one event loop."""

    def __init__(
        self, settings: Settings, catalog: Catalog, store: Store, pool: Pool, till: Till, decoders: Threads
    ) -> None:
        self.settings = settings
        self.catalog = catalog
        self.store = store
        self.pool = pool
        self.till = till
        self.admission = Admission(settings)
        self._decoders = decoders
        self._detectors: dict[str, Detector] = {}
        self._found: dict[str, tuple[object, Weights]] = {}

    def find(self, model: str) -> Card:
        """The card of an id or alias. Raises NoSuchModel."""
        card = self.catalog.find(model) or self.store.find(model)  # the latter knows those added since the start
        if card is None:
            raise faults.NoSuchModel(model)
        return card

    async def run(self, job: Job) -> Answer:
        """Answer one job and charge it. Raises a Fault, and then nothing is charged; nothing else leaves."""
        (answer,) = await self.run_together((job,))
        return answer

    async def run_together(self, jobs: Sequence[Job], complete: Complete = _completed) -> tuple[Answer, ...]:
        """Answer the jobs of one request, alike but for their images: one charge for all, none where one fails.

        `complete` is what the face must still do for the request to be a success; a Fault of it costs nothing too.
        """
        first = jobs[0]
        card = self.find(first.model)
        purchase = Purchase(
            account=first.account,
            face=first.face,
            request_id=first.request_id,
            images=len(jobs),
            idempotency_key=first.idempotency_key,
            body_hash=self._hashing(first),
        )
        with self.admission.admit(card, first.account):
            async with self.till.sale(card, purchase) as sale:
                needed = [replace(job, departed=_either(job.departed, sale.refused)) for job in jobs]
                answers = await self._bounded(card, needed, complete)
                settling = perf_counter()
        settled = (perf_counter() - settling) * 1e3
        return tuple(
            replace(
                answer,
                timings=replace(answer.timings, settle=settled),
                charge=sale.charge,
                neurons=sale.quote.neurons,
            )
            for answer in answers
        )

    async def preload(self, model: str) -> None:
        """Load a model before its first request. Raises a Fault."""
        try:
            await self.pool.get(await self._weights(self.find(model)))
        except SessionError as error:
            raise self._internal(error, model) from error

    async def aside(self, work: Callable[[], T]) -> T:
        """The outcome of work that would hold the event loop, done in the threads that decode: one a core, so that
        however many bodies arrive at once the loop competes with few."""
        return await self._decoders.run(work)

    def _hashing(self, job: Job) -> Hashing | None:
        """The digest of a job, taken while it is decoded."""
        digest = job.digest
        if digest is None:
            return None
        if job.digested > _DIGESTED_INLINE:
            return lambda: self.aside(digest)

        async def inline() -> bytes:
            return digest()

        return inline

    async def _bounded(self, card: Card, jobs: Sequence[Job], complete: Complete) -> list[Answer]:
        seconds = self.settings.limits.timeout_s
        try:
            async with asyncio.timeout(seconds):
                answers = await self._each(card, jobs)
                await complete(answers)
                return answers
        except TimeoutError as error:
            raise faults.Timeout(f"Request timeout: no answer within {seconds:g} s") from error

    async def _each(self, card: Card, jobs: Sequence[Job]) -> list[Answer]:
        if len(jobs) == 1:
            return [await self._answer(card, jobs[0])]
        tasks = [asyncio.create_task(self._answer(card, job)) for job in jobs]
        try:
            return await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def _answer(self, card: Card, job: Job) -> Answer:
        weights = await self._weights(card)
        detector = self._detector(weights)
        started = perf_counter()
        prepared = await self._prepare(detector, job)
        decoded = perf_counter()
        inferred = await self._infer(weights, prepared, job)
        reading = perf_counter()
        detections = self._read(detector, inferred, prepared, job)
        timings = Timings(
            decode=(decoded - started) * 1e3,
            queue=(reading - decoded - inferred.infer) * 1e3,  # for the model to be loaded, too
            infer=inferred.infer * 1e3,
            read=(perf_counter() - reading) * 1e3,
        )
        return Answer(
            detections=detections,
            model=card.id,
            weights=weights.origin,
            width=prepared.width,
            height=prepared.height,
            timings=timings,
            request_id=job.request_id,
        )

    def _detector(self, weights: Weights) -> Detector:
        known = self._detectors.get(weights.card.id)
        if known is None or known.card is not weights.card:  # the same graph may be read with other labels
            known = self._detectors[weights.card.id] = Detector(weights.card)
        return known

    async def _weights(self, card: Card) -> Weights:
        """What serves a card now; asked of the store again only when what is installed has changed."""
        stamp = self.store.stamp(card)
        known = self._found.get(card.id)
        if known and known[0] == stamp:
            return known[1]
        try:
            weights = await asyncio.to_thread(self.store.weights, card, missing=self.settings.weights.missing)
        except MissingWeights as error:
            raise faults.WeightsMissing(str(error)) from error
        except StoreError as error:
            raise self._internal(error, card.id) from error
        self._found[card.id] = (stamp, weights)
        return weights

    async def _prepare(self, detector: Detector, job: Job) -> Prepared:
        limit = self.settings.limits.image_pixels
        try:
            return await self.aside(lambda: detector.prepare(job.image, max_pixels=limit))
        except ImageError as error:
            raise faults.BadImage(str(error)) from error

    async def _infer(self, weights: Weights, prepared: Prepared, job: Job) -> Inferred:
        try:
            loaded = await self.pool.get(weights)
            return await loaded.batcher.infer(prepared.pixels, job.departed)
        except CallerLeft as left:
            raise faults.Departed("Request was aborted by the caller before inference") from left
        except SessionError as error:
            raise self._internal(error, job.model) from error

    def _read(self, detector: Detector, inferred: Inferred, prepared: Prepared, job: Job) -> Sequence[Detection]:
        try:
            return detector.read(
                inferred.outputs,
                width=prepared.width,
                height=prepared.height,
                threshold=job.threshold,
                keypoint_threshold=job.keypoint_threshold,
            )
        except OutputsError as error:
            raise self._internal(error, job.model) from error

    @staticmethod
    def _internal(error: Exception, model: str) -> faults.Internal:
        log.error("%s failed: %s", model, error)
        return faults.Internal()
