"""COCO's numbering and the matching of names."""

import pytest

from inflare.models.coco import LABELS_80, LABELS_91, PERSON_EDGES, PERSON_KEYPOINTS, canonical, matches


def test_gaps_of_the_91() -> None:
    gaps = [number for number, name in enumerate(LABELS_91) if name is None]
    assert (len(LABELS_91), gaps) == (91, [0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83])


@pytest.mark.parametrize(
    ("number", "name"), [(1, "person"), (17, "cat"), (63, "couch"), (75, "remote"), (90, "toothbrush")]
)
def test_ids_of_the_annotation_files(number: int, name: str) -> None:
    assert LABELS_91[number] == name


@pytest.mark.parametrize(("number", "name"), [(0, "person"), (15, "cat"), (57, "couch"), (65, "remote")])
def test_contiguous_ids(number: int, name: str) -> None:
    assert LABELS_80[number] == name


def test_no_name_is_twice() -> None:
    assert len(set(LABELS_80)) == 80


def test_the_skeleton_joins_joints() -> None:
    assert len(PERSON_KEYPOINTS) == 17
    assert {joint for edge in PERSON_EDGES for joint in edge} == set(range(17))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("tvmonitor", "tv"), ("TV monitor", "tv"), ("potted_plant", "potted plant"), ("Person", "person")],
)
def test_synonyms(name: str, expected: str) -> None:
    assert canonical(name) == expected


def test_matching_by_name() -> None:
    assert matches(["airplane", "zebra", "tv"], {3: "aeroplane", 9: "tvmonitor"}) == {"airplane": 3, "tv": 9}
