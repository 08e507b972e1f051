"""The typed view of a result."""

import pytest

from inflare.models.detection import Box, Detection


def test_width_and_height() -> None:
    box = Box(1, 2, 4.5, 9)
    assert (box.width, box.height) == (3.5, 7)


def test_a_detection_can_not_be_changed() -> None:
    found = Detection(0.5, "cat", 17, Box(0, 0, 1, 1))
    with pytest.raises(AttributeError, match="immutable"):
        found.score = 1.0  # pyright: ignore[reportAttributeAccessIssue]
