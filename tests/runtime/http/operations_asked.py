"""Each operation of the OpenAPI document as a client asks for it rightly, and how else to ask for it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests import spots

ACCOUNT = "0123456789abcdef0123456789abcdef"
ANY = "/client/v4/accounts/{account}"
OWN = f"/client/v4/accounts/{ACCOUNT}"
STRANGE = "/client/v4/accounts/not%20one"
MODEL = spots.MODEL
BRIGHT, DARK = spots.png(255), spots.png(0)
BINDING = "https://workers-binding.ai"

Change = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """One right request. `body` runs a model and `other` is another such body; `wrong` are changes, as httpx takes
    them, with which the request is refused."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None
    other: bytes | None = None
    wrong: Sequence[Change] = ()

    @property
    def prefix(self) -> str:
        """What stands before the headers of a request inside this one."""
        return "MF-Header-" if "MF-URL" in self.headers else ""


def _posted(url: str, *wrong: Change, **members: Any) -> Asked:
    """A request in JSON to the OpenAI-compatible face."""
    bodies = [json.dumps({"model": MODEL, **members, "threshold": share}).encode() for share in (0.5, 0.6)]
    unknown = {"content": json.dumps({"model": "none", **members}).encode()}
    return Asked(url, {}, *bodies, wrong=(unknown, *wrong))


def _bound(url: str, headers: Mapping[str, str], *wrong: Change) -> Asked:
    """A request of the AI binding."""
    bodies = [json.dumps({"inputs": {"image": list(image)}}).encode() for image in (BRIGHT, DARK)]
    return Asked(url, headers, *bodies, wrong=wrong)


def _model(prefix: str = "") -> dict[str, str]:
    return {f"{prefix}cf-consn-model-id": MODEL}


def _miniflare(path: str) -> dict[str, str]:
    return {"MF-URL": BINDING + path, **_model("MF-Header-")}


def _wrangler(path: str) -> dict[str, str]:
    return {"X-Forwarded": BINDING + path, **_model()}


_DATA = f"data:image/png;base64,{b64encode(BRIGHT).decode()}"
_PART = {"type": "image_url", "image_url": {"url": _DATA}}
_SEARCH, _SUPPORTED = "/ai-api/models/search", "/to-everything/markdown/supported"
_ELSEWHERE: Change = {"headers": {"MF-URL": f"{BINDING}/none"}}
_NO_URL: Change = {"headers": {"MF-URL": "http://["}}

# By method and path of the document; {made} and {charged} stand for what an earlier request made.
ASKED: Mapping[tuple[str, str], Asked] = {
    ("post", f"/ai/run/{MODEL}"): Asked(f"/ai/run/{MODEL}", {}, BRIGHT, DARK),
    ("post", f"{ANY}/ai/run/{MODEL}"): Asked(
        f"{OWN}/ai/run/{MODEL}", {}, BRIGHT, DARK, ({"url": f"{STRANGE}/ai/run/{MODEL}"},)
    ),
    ("get", "/ai/models/search"): Asked("/ai/models/search"),
    ("get", f"{ANY}/ai/models/search"): Asked(
        f"{OWN}/ai/models/search", wrong=({"url": f"{STRANGE}/ai/models/search"},)
    ),
    ("get", "/ai/models/schema"): Asked(f"/ai/models/schema?model={MODEL}", wrong=({"url": "/ai/models/schema"},)),
    ("get", f"{ANY}/ai/models/schema"): Asked(
        f"{OWN}/ai/models/schema?model={MODEL}",
        wrong=({"url": f"{OWN}/ai/models/schema"}, {"url": f"{STRANGE}/ai/models/schema?model={MODEL}"}),
    ),
    ("post", "/run"): _bound("/run", _model(), {"headers": {"cf-consn-model-id": ""}}),
    ("post", "/ai-gateway/run"): _bound("/ai-gateway/run", _model(), {"headers": {"cf-consn-model-id": "none"}}),
    ("get", _SEARCH): Asked(_SEARCH),
    ("get", _SUPPORTED): Asked(_SUPPORTED),
    ("post", "/"): _bound("/", _miniflare("/run"), {"headers": _miniflare(_SEARCH)}, _ELSEWHERE, _NO_URL),
    ("get", "/"): Asked("/", _miniflare(_SEARCH), wrong=({"headers": _miniflare("/run")}, _ELSEWHERE, _NO_URL)),
    ("post", f"{ANY}/ai/run/proxy"): _bound(
        f"{OWN}/ai/run/proxy",
        _wrangler("/run"),
        {"headers": _wrangler(_SEARCH)},
        {"url": f"{STRANGE}/ai/run/proxy"},
    ),
    ("get", f"{ANY}/ai/run/proxy"): Asked(
        f"{OWN}/ai/run/proxy",
        _wrangler(_SUPPORTED),
        wrong=({"headers": _wrangler("/run")}, {"headers": _wrangler("/none")}),
    ),
    ("post", "/to-everything/markdown/transformer"): Asked("/to-everything/markdown/transformer"),
    ("post", "/ai-gateway/universal/run/{rest}"): Asked("/ai-gateway/universal/run/mine"),
    ("get", "/ai-gateway/gateways/{rest}"): Asked("/ai-gateway/gateways/mine/logs/1"),
    ("patch", "/ai-gateway/gateways/{rest}"): Asked("/ai-gateway/gateways/mine/logs/1"),
    ("get", "/autorag/{rest}"): Asked("/autorag/rags"),
    ("post", "/autorag/{rest}"): Asked("/autorag/rags/mine/search"),
    ("post", "/v1/images/generations"): _posted("/v1/images/generations", image=_DATA),
    ("post", "/v1/images/edits"): _posted("/v1/images/edits", image=_DATA),
    ("post", "/v1/detections"): _posted("/v1/detections", images=[_DATA]),
    ("post", "/v1/chat/completions"): _posted("/v1/chat/completions", messages=[{"role": "user", "content": [_PART]}]),
    ("post", "/v1/responses"): _posted("/v1/responses", input=_DATA),
    ("get", "/v1/models"): Asked("/v1/models"),
    ("get", "/v1/models/{model}"): Asked(f"/v1/models/{MODEL}", wrong=({"url": "/v1/models/none"},)),
    ("get", "/v1/img/{name}.png"): Asked("{made}", wrong=({"url": "/v1/img/none.png"},)),
    ("get", "/v1/usage"): Asked("/v1/usage", wrong=({"url": "/v1/usage?by=hour"}, {"url": "/v1/usage?account=other"})),
    ("get", "/v1/credits"): Asked(
        "/v1/credits", wrong=({"url": "/v1/credits?account=%00"}, {"url": "/v1/credits?account=other"})
    ),
    ("get", "/v1/generation"): Asked(
        "/v1/generation?id={charged}", wrong=({"url": "/v1/generation"}, {"url": "/v1/generation?id=none"})
    ),
    ("get", "/healthz"): Asked("/healthz"),
    ("get", "/readyz"): Asked("/readyz"),
    ("get", "/metrics"): Asked("/metrics"),
    ("get", "/openapi.json"): Asked("/openapi.json"),
}
