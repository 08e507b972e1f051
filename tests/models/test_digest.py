"""A file is hashed once for each state it has."""

import os
from pathlib import Path

from inflare.models.digest import Verified, file_digest, state

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_digest_of_nothing_is_the_known_one(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert file_digest(tmp_path / "empty") == EMPTY


def test_a_remembered_state_is_not_read_again(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"one")
    Verified(tmp_path / "memory").remember(state(file), "0" * 64)
    assert Verified(tmp_path / "memory").sha256(file) == "0" * 64


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"one")
    Verified(tmp_path / "memory").remember(state(file), "0" * 64)
    os.utime(file, ns=(1, 1))
    assert Verified(tmp_path / "memory").sha256(file) == file_digest(file)


def test_a_broken_memory_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "memory").write_text("[1,")
    assert Verified(tmp_path / "memory").sha256(tmp_path / "file") == EMPTY
