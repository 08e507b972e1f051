"""What every face does with a request: here, its name."""

from __future__ import annotations

import time
import uuid

from inflare.runtime.http.intake import request_id


def test_a_request_id_is_a_uuid_of_its_own() -> None:
    made = {request_id() for _ in range(1000)}
    assert len(made) == 1000
    assert {(uuid.UUID(each).version, uuid.UUID(each).variant) for each in made} == {(7, uuid.RFC_4122)}


def test_later_request_ids_follow_earlier_ones() -> None:
    first = request_id()
    time.sleep(0.002)
    assert first < request_id()


def test_a_request_id_begins_with_the_time() -> None:
    milliseconds = int(request_id().replace("-", "")[:12], 16)
    assert abs(milliseconds / 1000 - time.time()) < 60
