"""`env.AI`: the binding of Workers AI for Python, over the engine in this process or a server at a URL."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Literal, Protocol, TypeVar, overload

from .options import RunOptions, run_options
from .pictures import Inputs, Picture
from .raw import RawResponse
from .result import Result

T = TypeVar("T")


class Backend(Protocol):
    """Who answers."""

    @property
    def last_request_id(self) -> str | None: ...

    async def run(self, model: str, inputs: Inputs | Picture, options: RunOptions) -> Result | RawResponse: ...

    async def models(self, query: Mapping[str, str]) -> list[dict[str, Any]]: ...


class AI:
    """What a Worker calls `env.AI`. Made by `Env`."""

    def __init__(self, backend: Backend, loop: asyncio.AbstractEventLoop) -> None:
        self._backend = backend
        self._loop = loop

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
