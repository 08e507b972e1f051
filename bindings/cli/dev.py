"""`inflare dev`: serve on this machine, and say how to try it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import effective, settings_options
from .table import table_text

if TYPE_CHECKING:
    from ...runtime.config import Effective, Settings
    from ...runtime.server import Hosting
    from ..inventory import Item

_IMAGES = (".jpg", ".jpeg", ".png", ".webp")
_ROOT = Path(__file__).resolve().parents[2]  # of a checkout; in an installed package it holds no examples


@click.command(short_help="Serve on this machine.")
@click.option("--ip", metavar="ADDRESS", help="The address to bind (dev.ip); 127.0.0.1 unless set.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="The port to bind (dev.port); 8786 unless set, 0 takes a free one."
)
@click.option("--certificate", metavar="FILE", help="PEM certificate chain (dev.certificate); with --key, serves TLS.")
@click.option("--key", metavar="FILE", help="PEM private key of the certificate (dev.key).")
@click.option(
    "--inject",
    metavar="RULES",
    help="Make trouble on purpose (dev.inject): rate_limit_error:0.1,latency:200ms fails a tenth and delays all.",
)
@settings_options
def dev(
    ip: str | None,
    port: int | None,
    certificate: str | None,
    key: str | None,
    inject: str | None,
    config_file: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Serve the detectors at the routes of the hosted services, until Ctrl+C.

    Models whose weights are not installed are answered by the small embedded detector, and every answer says so.

    \b
    Examples:
      inflare dev
      inflare dev --port 0
      inflare dev --inject rate_limit_error:0.1,latency:200ms
      inflare dev --set log.format=json --set runtime.threads=2
      INFLARE_WEIGHTS_MISSING=error inflare dev
    """
    flags = {"dev.ip": ip, "dev.port": port, "dev.certificate": certificate, "dev.key": key, "dev.inject": inject}
    found = effective(config_file, assignments, flags)
    settings = found.settings
    from ...runtime import logs
    from ...runtime.server import serve

    logs.configure(settings.log.level, settings.log.format)
    items = _items(settings)
    guarded = settings.auth.mode == "tokens"
    serve(settings, lambda url: click.echo(_banner(url, items, guarded)), _hosting(found))


def _hosting(found: Effective) -> Hosting | None:
    """How the Worker of the setting `main` is hosted, where there is one."""
    if not found.settings.main:
        return None
    from ..worker.hosting import entry_of, hosting

    entry = entry_of(found.settings.main, found.file.parent if found.file else Path.cwd())
    return lambda engine: hosting(engine, entry)


def _items(settings: Settings) -> Sequence[Item]:
    from ...runtime.assembly import open_catalog
    from ..inventory import inventory

    catalog, store = open_catalog(settings)
    return inventory(catalog, store, settings.weights.missing)


def _banner(url: str, items: Sequence[Item], guarded: bool) -> str:
    rows = [(item.card.id, item.words) for item in items]
    usable = [item.card.id for item in items if item.weights is not None]
    first = next((name for name in usable if name.startswith("@cf/facebook/")), next(iter(usable), None))
    lines = ["", f"inflare is ready at {url}  (Ctrl+C stops it)", "", table_text(("MODEL", "WEIGHTS"), rows), ""]
    if first is None:
        lines += ["No model can answer yet. Install one: inflare pull @cf/facebook/detr-resnet-50", ""]
    else:
        lines += ["Try it:", f"  {_first_curl(url, first, guarded)}", ""]
    return "\n".join(lines)


def _first_curl(url: str, model: str, guarded: bool) -> str:
    """The command that shows a detection, with an example scene where this is a checkout."""
    insecure = "-k " if url.startswith("https:") else ""
    token = '-H "Authorization: Bearer $TOKEN" ' if guarded else ""
    return f"curl {insecure}{token}--data-binary @{shlex.quote(_example())} {url}/ai/run/{model}"


def _example() -> str:
    folder = _ROOT / "examples"
    scenes = sorted(path for path in folder.glob("*") if path.suffix.lower() in _IMAGES)
    if not scenes:
        return "photo.jpg"
    try:
        return str(scenes[0].relative_to(Path.cwd()))
    except ValueError:
        return str(scenes[0])
