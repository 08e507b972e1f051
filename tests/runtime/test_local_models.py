"""A user's own models in the settings: served at once, installed again only when they change."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from inflare.models.catalog import Catalog
from inflare.models.store import Store
from inflare.runtime.assembly import open_catalog, open_engine
from inflare.runtime.config import ConfigError, Settings, load
from inflare.runtime.engine import Answer, Job
from tests import spots


def write(folder: Path, extra: str = "", like: str = spots.MODEL, file: str = "own.onnx") -> Settings:
    spots.install(folder / ".inflare")
    (folder / "own.onnx").write_bytes(spots.graph())
    text = f'[[models]]\nid = "@local/own"\nfile = "{file}"\nlike = "{like}"\n{extra}'
    (folder / "wrangler-like.toml").write_text(text)
    return load(folder / "wrangler-like.toml", {}, {}, folder).settings


def test_an_entry_is_served_with_its_labels_and_its_price(tmp_path: Path) -> None:
    settings = write(tmp_path, 'labels = ["light", "shade"]\nprice = 0.001')

    async def ask() -> Answer:
        async with open_engine(settings) as engine:
            return await engine.run(Job("@local/own", spots.png(255), "r"))

    answer = asyncio.run(ask())
    assert answer.detections[0].label == "light"
    assert answer.charge is not None
    assert answer.charge.nano_usd == 1_000_000


def test_an_entry_that_has_not_changed_is_not_installed_again(tmp_path: Path) -> None:
    settings = write(tmp_path)
    (card,) = (card for card in open_catalog(settings)[0].cards if card.id == "@local/own")
    store = Store(settings.home, Catalog.builtin())
    before = store.stamp(card)
    open_catalog(settings)
    assert store.stamp(card) == before


def test_an_entry_whose_price_has_changed_is_installed_again(tmp_path: Path) -> None:
    open_catalog(write(tmp_path))
    catalog, _ = open_catalog(write(tmp_path, "price = 0.5"))
    card = catalog.find("@local/own")
    assert card is not None
    assert card.prices[0].nano_usd == 500_000_000


@pytest.mark.parametrize(
    ("like", "file", "says"),
    [
        ("@cf/nobody/nothing", "own.onnx", "no known model"),
        (spots.MODEL, "absent.onnx", "No such file"),
        ("PekingU/rtdetr_r50vd", "own.onnx", "@local/own"),
    ],
)
def test_an_entry_that_cannot_be_served_is_refused_by_name(tmp_path: Path, like: str, file: str, says: str) -> None:
    with pytest.raises(ConfigError, match="@local/own") as caught:
        open_catalog(write(tmp_path, like=like, file=file))
    assert says in str(caught.value)
