"""wrangler-like.toml, the environment and flags, folded into one frozen `Settings`.

The document `inflare/config` is the table of settings: names, types, defaults and help live there and
nowhere else. A flag outranks the environment, which outranks the file, which outranks the default.
"""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from ..schemas.document import document
from ..schemas.validate import Mismatch, schema

FILE_NAME = "wrangler-like.toml"
_ROOT = ""


class ConfigError(Exception):
    """A setting that cannot be used: says which, where it came from, the rule and the remedy."""


@dataclass(frozen=True, slots=True)
class Ai:
    binding: str


@dataclass(frozen=True, slots=True)
class Dev:
    ip: str
    port: int
    certificate: str
    key: str
    stop_s: float
    inject: str


@dataclass(frozen=True, slots=True)
class Runtime:
    providers: tuple[str, ...]
    threads: int
    widths: tuple[int, ...]
    niceness: int
    max_batch: int
    max_wait_ms: float
    queue: int
    preload: tuple[str, ...]
    devices: tuple[int, ...]
    gpu_memory_mb: int
    cuda_graphs: bool
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Weights:
    missing: Literal["embedded", "error"]


@dataclass(frozen=True, slots=True)
class Limits:
    body_bytes: int
    image_pixels: int
    timeout_s: float
    body_timeout_s: float
    body_total_s: float
    requests_per_minute: int
    concurrent_per_account: int


@dataclass(frozen=True, slots=True)
class Fetch:
    mode: Literal["auto", "on", "off"]
    allow: tuple[str, ...]
    max_bytes: int
    timeout_s: float
    redirects: int


@dataclass(frozen=True, slots=True)
class Openai:
    threshold: float
    url_s: float
    url_mb: int


@dataclass(frozen=True, slots=True)
class Cloudflare:
    threshold: float
    wrap_negative: bool
    daily_neurons: int


@dataclass(frozen=True, slots=True)
class Auth:
    mode: Literal["open", "tokens"]


@dataclass(frozen=True, slots=True)
class Ledger:
    database: str
    survive: Literal["process", "power"]
    lease_s: float


@dataclass(frozen=True, slots=True)
class Log:
    level: str
    format: str
    access: bool


@dataclass(frozen=True, slots=True)
class LocalModel:
    """One `[[models]]` entry; `file` is absolute, `price` is US dollars per inference request."""

    id: str
    file: Path
    like: str
    labels: tuple[str, ...] | None
    price: float


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its effective value; paths are absolute."""

    name: str
    main: str
    compatibility_date: str
    home: Path
    vars: Mapping[str, Any]
    ai: Ai
    dev: Dev
    runtime: Runtime
    weights: Weights
    limits: Limits
    fetch: Fetch
    openai: Openai
    cloudflare: Cloudflare
    auth: Auth
    ledger: Ledger
    log: Log
    models: tuple[LocalModel, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table: `key` is dotted (`dev.port`), `schema` its JSON Schema."""

    key: str
    schema: Mapping[str, Any]

    @property
    def environment(self) -> str:
        """The variable that sets it: `dev.port` is `INFLARE_DEV_PORT`."""
        return "INFLARE_" + self.key.replace(".", "_").upper()

    @property
    def help(self) -> str:
        return str(self.schema["description"])

    @property
    def default(self) -> Any:
        return self.schema["default"]


@dataclass(frozen=True, slots=True)
class Effective:
    """Settings, and for each dotted key where its value came from."""

    settings: Settings
    origins: Mapping[str, str]
    file: Path | None


def table() -> Iterator[Setting]:
    """Every setting in the order of the document; tables (`vars`, `models`) count as one each."""
    for name, field in document("inflare/config")["properties"].items():
        if "default" in field:
            yield Setting(name, field)
        else:
            for key, inner in field["properties"].items():
                yield Setting(f"{name}.{key}", inner)


def find_file(start: Path) -> Path | None:
    """The nearest wrangler-like.toml in `start` or above it."""
    for folder in (start, *start.parents):
        if (candidate := folder / FILE_NAME).is_file():
            return candidate
    return None


def load(file: Path | None, environ: Mapping[str, str], flags: Mapping[str, Any], cwd: Path) -> Effective:
    """Fold the four sources; `flags` maps dotted keys to values.

    Raises ConfigError for an unreadable file, an unknown key or a value that breaks its rule.
    """
    written: Mapping[str, Any] = _read(file) if file else {}
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for setting in table():
        value, origin = _pick(setting, flags, environ, written, file)
        values[setting.key], origins[setting.key] = value, origin
    base = file.parent if file else cwd
    _check_variables(environ)
    _check_networks(values["fetch.allow"], origins["fetch.allow"])
    return Effective(_settings(values, base.resolve()), origins, file)


def _read(file: Path) -> Mapping[str, Any]:
    try:
        written = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not valid TOML: {error}.") from error
    _check_names(file, written)
    _check(str(file), written)
    return written


def _check_names(file: Path, written: Mapping[str, Any]) -> None:
    sections: dict[str, Any] = document("inflare/config")["properties"]
    for name, value in written.items():
        _check_name(str(file), "", name, sections)
        fields = sections[name].get("properties")
        if fields is not None and isinstance(value, Mapping):
            for key in cast("Mapping[str, Any]", value):
                _check_name(str(file), f"{name}.", key, fields)


def _check_name(origin: str, prefix: str, name: str, known: Mapping[str, Any]) -> None:
    if name in known:
        return
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {prefix}{close[0]}?" if close else f"known here: {', '.join(sorted(known))}."
    raise ConfigError(f"{origin}: unknown setting {prefix}{name}; {hint}")


def _check(origin: str, instance: Mapping[str, Any]) -> None:
    try:
        schema("inflare/config").check(dict(instance))
    except Mismatch as error:
        wrong = "; ".join(problem.message for problem in error.problems)
        raise ConfigError(f"{origin}: {wrong}") from error


def _check_variables(environ: Mapping[str, str]) -> None:
    known = {setting.environment for setting in table()}
    sections = {name.split("_")[1] for name in known}
    for name in environ:
        parts = name.split("_")
        if name.startswith("INFLARE_") and name not in known and len(parts) > 2 and parts[1] in sections:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" did you mean {close[0]}?" if close else ""
            raise ConfigError(f"environment: {name} sets nothing;{hint} `inflare config` lists what can be set.")


def _check_networks(texts: Iterable[str], origin: str) -> None:
    for text in texts:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise ConfigError(f"{origin}: fetch.allow: {error}; write a network as 10.0.0.0/8.") from error


def _pick(
    setting: Setting,
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    written: Mapping[str, Any],
    file: Path | None,
) -> tuple[Any, str]:
    if setting.key in flags:
        value = flags[setting.key]
        _check(f"flag {setting.key}", _nested(setting.key, value))
        return value, "flag"
    if setting.environment in environ:
        value = parse(setting, environ[setting.environment], f"environment {setting.environment}")
        _check(f"environment {setting.environment}", _nested(setting.key, value))
        return value, f"environment {setting.environment}"
    section, _, key = setting.key.rpartition(".")
    holder: Mapping[str, Any] = written.get(section, {}) if section else written
    if key in holder:
        return holder[key], str(file)
    return setting.default, "default"


def _nested(key: str, value: Any) -> dict[str, Any]:
    section, _, name = key.rpartition(".")
    return {section: {name: value}} if section else {name: value}


def parse(setting: Setting, text: str, origin: str) -> Any:
    """The value that `text`, from the environment or a flag, means for `setting`. Raises ConfigError."""
    kind = setting.schema.get("type", "string")
    try:
        match kind:
            case "integer":
                return int(text)
            case "number":
                return float(text)
            case "boolean":
                return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
            case "array" if not text.lstrip().startswith("["):
                return [part.strip() for part in text.split(",") if part.strip()]
            case "array" | "object":
                return json.loads(text)
            case _:
                return text
    except (ValueError, KeyError) as error:
        rule = f"{origin}: {text!r} is not of type {kind}"
        raise ConfigError(f"{rule}. {setting.help}") from error


def _settings(values: Mapping[str, Any], base: Path) -> Settings:
    def section(kind: type[Any]) -> Any:
        name = kind.__name__.lower()
        return kind(**{f.name: _frozen(values[f"{name}.{f.name}"]) for f in dataclasses.fields(kind)})

    return Settings(
        name=values["name"],
        main=values["main"],
        compatibility_date=values["compatibility_date"],
        home=(base / (values["home"] or ".inflare")).resolve(),
        vars=dict(values["vars"]),
        ai=section(Ai),
        dev=section(Dev),
        runtime=section(Runtime),
        weights=section(Weights),
        limits=section(Limits),
        fetch=section(Fetch),
        openai=section(Openai),
        cloudflare=section(Cloudflare),
        auth=section(Auth),
        ledger=section(Ledger),
        log=section(Log),
        models=tuple(_local_model(entry, base) for entry in values["models"]),
    )


def _frozen(value: Any) -> Any:
    return tuple(cast("list[Any]", value)) if isinstance(value, list) else value


def _local_model(entry: Mapping[str, Any], base: Path) -> LocalModel:
    labels = entry.get("labels")
    return LocalModel(
        id=entry["id"],
        file=(base / entry["file"]).resolve(),
        like=entry["like"],
        labels=tuple(labels) if labels is not None else None,
        price=float(entry.get("price", 0)),
    )
