"""The OpenAI-compatible face: what clients of AIgateway and gigarouter call under /v1, as one list of routes."""

from __future__ import annotations

from starlette.routing import BaseRoute

from ..engine import Engine
from .door import Door
from .openai_calls import Calls
from .openai_chat import ChatFace
from .openai_detections import DetectionsFace
from .openai_images import ImagesFace
from .openai_models import ModelsFace
from .openai_responses import ResponsesFace
from .usage import UsageFace


class OpenAIFace:
    """`/v1/…`."""

    def __init__(self, engine: Engine, door: Door) -> None:
        self._calls = Calls(engine, door)

    def routes(self) -> list[BaseRoute]:
        """Every route of the face."""
        calls = self._calls
        return [
            *ModelsFace(calls).routes(),
            *ImagesFace(calls).routes(),
            *ChatFace(calls).routes(),
            *ResponsesFace(calls).routes(),
            *DetectionsFace(calls).routes(),
            *UsageFace(calls.engine, calls.door).routes(),
        ]
