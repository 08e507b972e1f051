"""JSON answers: the same document as the standard library's."""

from __future__ import annotations

import json

from inflare.runtime.http.quick_json import QuickJSONResponse, quick_text


def test_the_document_is_the_standard_librarys() -> None:
    body = {"result": [{"score": 1e-7, "label": 'naïve \u2028 "q"', "box": {"xmin": -3}}], "messages": [], "ok": True}
    response = QuickJSONResponse(body, headers={"a": "b"})
    assert json.loads(bytes(response.body)) == body
    assert (response.headers["content-type"], response.headers["a"]) == ("application/json", "b")


def test_what_is_not_finite_is_null() -> None:
    assert QuickJSONResponse([float("nan")]).body == b"[null]"


def test_text_has_null_for_what_json_cannot_write() -> None:
    assert quick_text({"covariance": [float("inf"), float("nan"), 1.5]}) == '{"covariance":[null,null,1.5]}'
