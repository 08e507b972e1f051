"""`env.AI`: the binding of Workers AI for Python, over the engine in this process or a server at a URL."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, overload
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from .options import RunOptions, run_options
from .pictures import Inputs, Picture
from .raw import RawResponse
from .result import Result

if TYPE_CHECKING:
    from .streams.binding import FrameStream

T = TypeVar("T")


class Backend(Protocol):
    """Who answers."""

    @property
    def last_request_id(self) -> str | None: ...

    async def run(self, model: str, inputs: Inputs | Picture, options: RunOptions) -> Result | RawResponse: ...

    def packed(self, pixels: NDArray[np.uint8]) -> bytes: ...

    async def models(self, query: Mapping[str, str]) -> list[dict[str, Any]]: ...


class AI:
    """What a Worker calls `env.AI`. Made by `Env`."""

    def __init__(self, backend: Backend, loop: asyncio.AbstractEventLoop) -> None:
        self._backend = backend
        self._loop = loop
        self._streams: WeakSet[FrameStream] = WeakSet()

    @overload
    async def run(
        self, model: str, inputs: Inputs | Picture, options: Mapping[str, Any], **given: Any
    ) -> Result | RawResponse: ...

    @overload
    async def run(
        self, model: str, inputs: Inputs | Picture, *, return_raw_response: Literal[True], **given: Any
    ) -> RawResponse: ...

    @overload
    async def run(self, model: str, inputs: Inputs | Picture, **given: Any) -> Result: ...

    async def run(
        self, model: str, inputs: Inputs | Picture, options: Mapping[str, Any] | None = None, **given: Any
    ) -> Result | RawResponse:
        """Run `model` on an image.

        inputs: {"image": …} as in a Worker, or the image itself: bytes, bytearray, memoryview, a list of uint8,
        base64 text, numpy uint8 [H, W, 3], a PIL image, a pathlib.Path, a file opened for bytes. options: see
        `RunOptions`; keywords say the same. Returns the bare list of detections, best score first and without a
        threshold, as the hosted service does. Raises InferenceUpstreamError.
        """
        return await self._backend.run(model, inputs, run_options(options, given))

    def run_sync(
        self, model: str, inputs: Inputs | Picture, options: Mapping[str, Any] | None = None, **given: Any
    ) -> Any:
        """`run` for code that does not await; call it from another thread than the event loop's."""
        return self._wait(self._backend.run(model, inputs, run_options(options, given)))

    def stream(
        self,
        source: str | int | os.PathLike[str],
        *,
        model: str,
        every: int = 1,
        max_fps: float | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> FrameStream:
        """Run `model` on each frame of `source`, in order: `async for frame in env.AI.stream("street.mp4", model=…)`.

        source: a video file, a folder of images, a webcam's index, an RTSP or web URL. Every frame of files is looked
        at; of live sources the newest, and a broken one is opened again. every, max_fps: look at fewer. inputs: what is
        sent beside each image, such as {"threshold": 0.5} for keypoints. Over a URL frames travel as JPEG. A frame
        that is refused for now is sent again, as Retry-After asks. Raises StreamError, MissingVideo where the extra
        `video` is not installed, and InferenceUpstreamError.
        """
        from .streams.binding import frame_stream
        from .streams.pace import Rule

        async def ask(pixels: NDArray[np.uint8]) -> Result:
            image = await asyncio.to_thread(self._backend.packed, pixels)
            return await self.run(model, {**(inputs or {}), "image": image})

        opened = frame_stream(ask, source, Rule(every, max_fps))
        self._streams.add(opened)
        return opened

    async def aclose(self) -> None:
        """End every stream; the Env that made this does it before it closes what answers them."""
        for stream in list(self._streams):
            await stream.aclose()

    async def models(self, **query: str) -> list[dict[str, Any]]:
        """The catalogue, as `env.AI.models()`: search, task, author, page, per_page."""
        return await self._backend.models(query)

    def models_sync(self, **query: str) -> list[dict[str, Any]]:
        """`models` for code that does not await."""
        return self._wait(self._backend.models(query))

    @property
    def last_request_id(self) -> str | None:
        """The id of the latest run, refused ones too; a Worker's `env.AI.lastRequestId`."""
        return self._backend.last_request_id

    lastRequestId = last_request_id  # a Worker's spelling

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self._loop:
            work.close()
            raise RuntimeError("run_sync would wait for its own event loop: use `await env.AI.run(…)` here")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
