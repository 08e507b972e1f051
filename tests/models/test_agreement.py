"""What a conversion costs is told in detections."""

from __future__ import annotations

import pytest

from inflare.models.agreement import agreement
from inflare.models.detection import Box, Detection


def found(score: float, label: int = 0, shift: float = 0.0) -> Detection:
    return Detection(score, str(label), label, Box(shift, 0, 10 + shift, 10))


@pytest.mark.parametrize(
    ("after", "kept"),
    [
        ([found(0.8, shift=1)], 1),  # a little to the side
        ([found(0.8, shift=5)], 0),
        ([found(0.8, label=1)], 0),
        ([found(0.1)], 0),
        ([], 0),
    ],
)
def test_a_sure_detection_is_looked_for_by_class_and_place(after: list[Detection], kept: int) -> None:
    result = agreement([([found(0.9)], after)])
    assert (result.sure, result.kept) == (1, kept)


def test_scores_are_compared_by_rank() -> None:
    result = agreement([([found(0.2), found(0.1)], [found(0.15, shift=99), found(0.1)])])
    assert result.score_drift == pytest.approx(0.05) and result.share == 1
