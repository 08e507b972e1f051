"""Weights are installed whole or not at all, are what was recorded, and never silently something else."""

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from inflare.models.card import Card, Source, SourceFile
from inflare.models.catalog import Catalog
from inflare.models.store import PACKAGED, BrokenWeights, MissingWeights, Store

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SOURCE = Source("file", (SourceFile("model.onnx", 3, "0" * 64),))


def detr() -> Card:
    card = Catalog.builtin().find("@cf/facebook/detr-resnet-50")
    assert card is not None
    return card


def local(name: str = "mine") -> Card:
    return replace(detr(), id=f"@local/{name}", aliases=(), source=SOURCE)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, Catalog.builtin(), clock=lambda: NOON)


def folder(store: Store, card: Card) -> Path:
    return store.folder / card.slug


def test_nothing_is_installed_at_first(store: Store) -> None:
    assert store.installed(detr()) is None


def test_looking_writes_nothing(store: Store) -> None:
    store.installed(detr())
    assert not store.folder.exists()


def test_installed_weights_are_found(store: Store) -> None:
    store.add_file(detr(), b"net", source=SOURCE)
    found = store.installed(detr())
    assert found is not None
    assert (found.path.read_bytes(), found.origin, found.size, found.card) == (b"net", "installed", 3, detr())


def test_the_record_says_when_and_from_what(store: Store) -> None:
    store.add_file(detr(), b"net", source=SOURCE, precision="fp16")
    lock = store.lock(detr())
    assert lock is not None
    assert (lock.recorded_at, lock.source, lock.precision) == ("2026-11-21T12:00:00+00:00", SOURCE, "fp16")


def test_new_weights_take_the_place_of_old_ones(store: Store) -> None:
    store.add_file(detr(), b"old", source=SOURCE)
    store.add_file(detr(), b"newer", source=SOURCE)
    found = store.installed(detr())
    assert found is not None and found.path.read_bytes() == b"newer"


def test_missing_weights_are_an_error_where_that_is_wanted(store: Store) -> None:
    with pytest.raises(MissingWeights, match="inflare pull @cf/facebook/detr-resnet-50"):
        store.weights(detr(), missing="error")


def test_a_task_without_stand_in_is_an_error(store: Store, tmp_path: Path) -> None:
    bare = Store(tmp_path, Catalog.of([detr()]))
    with pytest.raises(MissingWeights):
        bare.weights(detr(), missing="embedded")


def test_the_embedded_detector_stands_in_with_its_own_card(store: Store) -> None:
    embedded = Catalog.builtin().embedded("object-detection")
    assert embedded is not None
    if not (PACKAGED / embedded.source.files[0].name).is_file():
        pytest.skip("the embedded weights are not built yet")
    found = store.weights(detr(), missing="embedded")
    assert (found.origin, found.card) == ("embedded", embedded)


def test_installed_weights_come_before_the_stand_in(store: Store) -> None:
    store.add_file(detr(), b"net", source=SOURCE)
    assert store.weights(detr(), missing="embedded").origin == "installed"


def test_changed_bytes_are_noticed(store: Store) -> None:
    store.add_file(detr(), b"net", source=SOURCE)
    (folder(store, detr()) / "model.onnx").write_bytes(b"bad")
    with pytest.raises(BrokenWeights, match="sha256"):
        store.weights(detr(), missing="embedded")


def test_a_truncated_file_is_noticed(store: Store) -> None:
    store.add_file(detr(), b"net", source=SOURCE)
    (folder(store, detr()) / "model.onnx").write_bytes(b"ne")
    with pytest.raises(BrokenWeights, match="2 bytes, 3 were recorded"):
        store.installed(detr())


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 2}', '{"format": 1, "sha256": 3}'])
def test_an_unreadable_record_is_broken(store: Store, text: str) -> None:
    store.add_file(detr(), b"net", source=SOURCE)
    (folder(store, detr()) / "lock.json").write_text(text)
    with pytest.raises(BrokenWeights, match="inflare models remove"):
        store.installed(detr())


def test_an_unreadable_card_is_broken(store: Store) -> None:
    store.add_file(detr(), b"net", source=SOURCE)
    (folder(store, detr()) / "card.toml").write_text("id = 3")
    with pytest.raises(BrokenWeights):
        store.installed(detr())


@pytest.mark.parametrize("lost", ["model.onnx", "lock.json", "card.toml"])
def test_a_folder_without_one_of_its_files_is_not_installed(store: Store, lost: str) -> None:
    store.add_file(detr(), b"net", source=SOURCE)
    (folder(store, detr()) / lost).unlink()
    assert store.installed(detr()) is None


def test_a_crash_between_the_renames_loses_nothing(store: Store) -> None:
    store.add_file(detr(), b"net", source=SOURCE)
    folder(store, detr()).replace(store.folder / f".{detr().slug}.old")
    found = store.installed(detr())
    assert found is not None and found.path.read_bytes() == b"net"


def test_what_a_dead_process_left_is_swept_away(store: Store) -> None:
    store.folder.mkdir(parents=True)
    draft = store.folder / f".{detr().slug}.new"
    draft.mkdir()
    (draft / "model.onnx").write_bytes(b"half")
    store.add_file(detr(), b"net", source=SOURCE)
    assert not draft.exists()


def test_a_start_does_not_read_the_weights_again(store: Store) -> None:
    store.add_file(detr(), b"net", source=SOURCE)
    memory = json.loads((folder(store, detr()) / "verified.json").read_text())
    assert memory["sha256"] == store.weights(detr(), missing="error").sha256


def test_removed_weights_are_gone(store: Store) -> None:
    store.add_file(detr(), b"net", source=SOURCE)
    beside = folder(store, detr()) / "mapped-a"
    beside.mkdir()
    (beside / "tensors.bin").write_bytes(bytes(1 << 20))
    freed = store.remove(detr())
    assert (freed > 1 << 20, store.installed(detr()), store.remove(detr())) == (True, None, 0)


def test_a_remove_that_died_leaves_nothing_installed(store: Store) -> None:
    store.add_file(detr(), b"net", source=SOURCE)
    (folder(store, detr()) / "lock.json").unlink()
    folder(store, detr()).replace(store.folder / f".{detr().slug}.old")
    assert store.installed(detr()) is None


def test_an_added_model_is_found_by_its_id(store: Store) -> None:
    store.add_file(local(), b"net", source=SOURCE)
    assert store.find("@local/mine") == local()


def test_an_unreadable_added_model_is_left_out(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.add_file(local("one"), b"net", source=SOURCE)
    store.add_file(local("two"), b"net", source=SOURCE)
    (folder(store, local("one")) / "card.toml").write_text("?")
    names = [card.id for card in store.catalog().cards if card.id.startswith("@local/")]
    assert names == ["@local/two"] and "left out" in caplog.text


def test_readers_see_old_or_new_while_weights_are_replaced(store: Store) -> None:
    """Eight replacements beside a reader: it never finds them missing, and never torn."""
    store.add_file(detr(), b"0" * 4096, source=SOURCE)
    done, seen = threading.Event(), list[object]()

    def read() -> None:
        while not done.is_set():
            try:
                seen.append(store.installed(detr()))
            except Exception as error:  # what the test is about: none may come
                seen.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(8):
        store.add_file(detr(), bytes([turn]) * 4096, source=SOURCE)
    done.set()
    reader.join()
    assert not [found for found in seen if found is None or isinstance(found, Exception)]


def test_two_writers_leave_one_whole_model(store: Store) -> None:
    writers = [
        threading.Thread(target=store.add_file, args=(detr(), bytes([turn]) * 999), kwargs={"source": SOURCE})
        for turn in range(6)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = store.installed(detr())
    assert found is not None and len(set(found.path.read_bytes())) == 1


def test_a_conversion_keeps_the_original(store: Store) -> None:
    store.add_file(detr(), b"full", source=SOURCE)
    store.convert(detr(), b"half", "fp16")
    installed, original = store.installed(detr()), store.original(detr())
    assert installed is not None and (installed.path.read_bytes(), installed.precision) == (b"half", "fp16")
    assert original is not None and (original.path.read_bytes(), original.precision) == (b"full", "fp32")


def test_a_conversion_remembers_what_it_was_made_of(store: Store) -> None:
    weights = store.add_file(detr(), b"full", source=SOURCE, decoder_layers=3)
    store.convert(detr(), b"half", "fp16")
    lock = store.lock(detr())
    assert lock is not None
    assert (lock.source, lock.decoder_layers, lock.converted_from) == (SOURCE, 3, weights.sha256)


def test_the_original_is_restored(store: Store) -> None:
    store.add_file(detr(), b"full", source=SOURCE, decoder_layers=3)
    store.convert(detr(), b"half", "fp16")
    store.restore(detr())
    installed, lock = store.installed(detr()), store.lock(detr())
    assert installed is not None and installed.path.read_bytes() == b"full"
    assert lock is not None and (lock.precision, lock.decoder_layers) == ("fp32", 3)


def test_new_weights_drop_the_original_of_the_old_ones(store: Store) -> None:
    store.add_file(detr(), b"full", source=SOURCE)
    store.convert(detr(), b"half", "fp16")
    store.add_file(detr(), b"new", source=SOURCE)
    original = store.original(detr())
    assert original is not None and original.path.read_bytes() == b"new"


def test_nothing_is_converted_where_nothing_is_installed(store: Store) -> None:
    with pytest.raises(MissingWeights):
        store.convert(detr(), b"half", "fp16")


@pytest.fixture
def shipping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store whose package holds weights of the embedded detector."""
    monkeypatch.setattr("inflare.models.store.PACKAGED", tmp_path)
    (tmp_path / "detector.onnx").write_bytes(b"shipped")
    return Store(tmp_path, Catalog.of([detr(), embedded()]), clock=lambda: NOON)


def embedded() -> Card:
    card = Catalog.builtin().embedded("object-detection")
    assert card is not None
    return replace(card, source=Source("packaged", (SourceFile("detector.onnx"),)))


def test_converted_embedded_weights_stand_in_for_others(shipping: Store) -> None:
    before = shipping.stamp(detr())
    shipping.convert(embedded(), b"small", "int8")
    found = shipping.weights(detr(), missing="embedded")
    assert (found.path.read_bytes(), found.origin, found.precision) == (b"small", "embedded", "int8")
    assert shipping.stamp(detr()) != before


def test_a_folder_without_weights_does_not_hide_what_becomes_of_the_stand_in(shipping: Store) -> None:
    folder(shipping, detr()).mkdir(parents=True)
    before = shipping.stamp(detr())
    shipping.convert(embedded(), b"small", "int8")
    assert shipping.weights(detr(), missing="embedded").path.read_bytes() == b"small"
    assert shipping.stamp(detr()) != before


def test_restored_embedded_weights_are_the_ones_that_ship(shipping: Store) -> None:
    shipping.convert(embedded(), b"small", "int8")
    shipping.restore(embedded())
    found = shipping.installed(embedded())
    assert found is not None and found.path.read_bytes() == b"shipped"


def test_what_was_made_of_an_older_release_is_not_served(shipping: Store) -> None:
    shipping.convert(embedded(), b"small", "int8")
    (shipping.folder.parent / "detector.onnx").write_bytes(b"next release")
    found = shipping.installed(embedded())
    assert found is not None and found.path.read_bytes() == b"next release"
