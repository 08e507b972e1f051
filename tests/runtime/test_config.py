"""Settings: four sources with one order, and no typo that passes in silence."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from inflare.runtime.config import ConfigError, Effective, Settings, find_file, load, table


def read(folder: Path, text: str, environ: dict[str, str] | None = None, **flags: object) -> Effective:
    file = folder / "wrangler-like.toml"
    file.write_text(text)
    dotted = {key.replace("__", "."): value for key, value in flags.items()}
    return load(file, environ or {}, dotted, folder)


def test_without_a_file_every_setting_is_its_default(tmp_path: Path) -> None:
    effective = load(None, {}, {}, tmp_path)
    assert effective.settings.dev.port == 8786
    assert set(effective.origins.values()) == {"default"}


def test_a_flag_outranks_the_environment_outranks_the_file(tmp_path: Path) -> None:
    text, environ = "[dev]\nport = 1\nip = '127.0.0.2'\nstop_s = 3", {"INFLARE_DEV_PORT": "2", "INFLARE_DEV_IP": "::1"}
    effective = read(tmp_path, text, environ, dev__port=3)
    assert (effective.settings.dev.port, effective.settings.dev.ip, effective.settings.dev.stop_s) == (3, "::1", 3)
    assert effective.origins["dev.port"] == "flag"
    assert effective.origins["dev.ip"] == "environment INFLARE_DEV_IP"
    assert effective.origins["dev.stop_s"].endswith("wrangler-like.toml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[dev]\nprot = 1", "unknown setting dev.prot; did you mean dev.port?"),
        ("nmae = 'x'", "unknown setting nmae; did you mean name?"),
        ("[dev]\nport = '1'", "'/dev/port'"),
        ("[dev]\nport = 70000", "'/dev/port'"),
        ("[runtime]\nproviders = ['gpu']", "'/runtime/providers/0'"),
        ("[[models]]\nid = '@local/x'", "'/models/0'"),
        ("dev = 1", "'/dev'"),
        ("[dev", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match="wrangler-like.toml") as caught:
        read(tmp_path, text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("INFLARE_DEV_PROT", "1", "did you mean INFLARE_DEV_PORT"),
        ("INFLARE_DEV_PORT", "many", "not of type integer"),
        ("INFLARE_DEV_PORT", "99999", "/dev/port"),
        ("INFLARE_CLOUDFLARE_WRAP_NEGATIVE", "maybe", "not of type boolean"),
    ],
)
def test_a_wrong_variable_is_refused_by_name(tmp_path: Path, name: str, value: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {name: value}, {}, tmp_path)
    assert says in str(caught.value)


def test_lists_in_the_environment_are_separated_by_commas(tmp_path: Path) -> None:
    settings = load(None, {"INFLARE_RUNTIME_PROVIDERS": "cuda, cpu"}, {}, tmp_path).settings
    assert settings.runtime.providers == ("cuda", "cpu")


def test_variables_of_others_are_left_alone(tmp_path: Path) -> None:
    assert load(None, {"INFLARE_TEST_EXTRAS": "x", "PATH": "y"}, {}, tmp_path).settings.name == "inflare"


def test_home_lies_beside_the_file_and_can_be_moved(tmp_path: Path) -> None:
    assert read(tmp_path, "").settings.home == tmp_path / ".inflare"
    assert read(tmp_path, "", {"INFLARE_HOME": str(tmp_path / "elsewhere")}).settings.home == tmp_path / "elsewhere"


def test_local_models_are_found_from_the_file(tmp_path: Path) -> None:
    text = "[[models]]\nid = '@local/x'\nfile = 'w/x.onnx'\nlike = '@cf/facebook/detr-resnet-50'\nprice = 0.5"
    (model,) = read(tmp_path, text).settings.models
    assert (model.file, model.price, model.labels) == (tmp_path / "w/x.onnx", 0.5, None)


def test_the_file_is_found_from_a_folder_below(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "wrangler-like.toml").touch()
    assert find_file(below) == tmp_path / "wrangler-like.toml"


def test_the_dataclasses_hold_every_setting_of_the_document(tmp_path: Path) -> None:
    settings = load(None, {}, {}, tmp_path).settings
    held = {
        f"{field.name}.{inner.name}" if dataclasses.is_dataclass(value) else field.name
        for field in dataclasses.fields(Settings)
        for value in [getattr(settings, field.name)]
        for inner in (dataclasses.fields(value) if dataclasses.is_dataclass(value) else [field])
    }
    assert held == {setting.key for setting in table()}
