"""What a fault looks like to a client of OpenAI's API: one table, and who is told in these words.

Types and statuses are AIgateway's documented ones where it documents them; the rest follow OpenAI's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from .. import faults
from .cloudflare import fault_headers
from .faces import Face
from .hosted_errors import HOSTED
from .intake import request_id


@dataclass(frozen=True, slots=True)
class Wire:
    """How a fault looks on this face."""

    status: int
    type: str
    code: str
    param: str | None = None


_INVALID = "invalid_request_error"

WIRES: Mapping[type[faults.Fault], Wire] = {
    faults.BadInput: Wire(400, _INVALID, "invalid_value"),
    faults.EmptyBody: Wire(400, _INVALID, "missing_body"),
    faults.BadBase64: Wire(400, _INVALID, "invalid_base64", "image"),
    faults.BadImage: Wire(400, _INVALID, "invalid_image", "image"),
    faults.TooLarge: Wire(413, _INVALID, "request_too_large"),
    faults.Timeout: Wire(408, "timeout_error", "request_timeout"),
    faults.Departed: Wire(408, "timeout_error", "request_aborted"),
    faults.NoSuchModel: Wire(404, "not_found", "model_not_found", "model"),
    faults.WeightsMissing: Wire(404, "not_found", "weights_missing", "model"),
    faults.NoSuchRoute: Wire(404, "not_found", "unknown_url"),
    faults.BadAccount: Wire(404, "not_found", "unknown_account"),
    faults.MethodNotAllowed: Wire(405, _INVALID, "method_not_allowed"),
    faults.Unauthenticated: Wire(401, "authentication_error", "invalid_api_key"),
    faults.Forbidden: Wire(403, "permission_error", "insufficient_scope"),
    faults.RateLimited: Wire(429, "rate_limit_error", "rate_limit_exceeded"),
    faults.TooManyAtOnce: Wire(429, "rate_limit_error", "too_many_at_once"),
    faults.AllocationExhausted: Wire(429, "rate_limit_error", "insufficient_quota"),
    faults.InsufficientCredits: Wire(402, "insufficient_credits", "insufficient_credits"),
    faults.IdempotencyConflict: Wire(422, _INVALID, "idempotency_conflict"),
    faults.IdempotencyInFlight: Wire(409, _INVALID, "idempotency_in_flight"),
    faults.Overloaded: Wire(503, "service_unavailable", "overloaded"),
    faults.Stopping: Wire(503, "service_unavailable", "stopping"),
    faults.Unavailable: Wire(503, "service_unavailable", "database_unavailable"),
    faults.Internal: Wire(500, "server_error", "internal_error"),
}


def render_error(fault: faults.Fault) -> Response:
    """A fault as OpenAI's SDKs parse it: {"error": {message, type, param, code}}."""
    wire = _hosted(fault) if isinstance(fault, faults.HostedOnly) else WIRES[type(fault)]
    param = fault.param if isinstance(fault, faults.BadInput) else wire.param
    error = {"message": fault.message, "type": wire.type, "param": param, "code": wire.code}
    identity = request_id()
    headers = {"x-request-id": identity, "cf-ai-req-id": identity, **fault_headers(fault)}
    return JSONResponse({"error": error}, wire.status, headers=headers)


def _hosted(fault: faults.HostedOnly) -> Wire:
    """An error of Cloudflare's under its own code, with the type that its status has here."""
    status = HOSTED[fault.code].status
    kind = next((wire.type for wire in WIRES.values() if wire.status == status), _INVALID)
    return Wire(status, kind, str(fault.code))


def _owns(scope: Scope) -> bool:
    path = scope.get("path", "")
    return path == "/v1" or path.startswith("/v1/")


FACE = Face(_owns, render_error)
