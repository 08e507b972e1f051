"""`inflare dev`: serve on this machine, and say how to try it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import effective, settings_options
from .table import table_text

if TYPE_CHECKING:
    from ...runtime.config import Settings

_IMAGES = (".jpg", ".jpeg", ".png", ".webp")
_ROOT = Path(__file__).resolve().parents[2]  # of a checkout; in an installed package it holds no examples


@click.command(short_help="Serve on this machine.")
@click.option("--ip", metavar="ADDRESS", help="The address to bind (dev.ip); 127.0.0.1 unless set.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="The port to bind (dev.port); 8786 unless set, 0 takes a free one."
)
@click.option("--certificate", metavar="FILE", help="PEM certificate chain (dev.certificate); with --key, serves TLS.")
@click.option("--key", metavar="FILE", help="PEM private key of the certificate (dev.key).")
@settings_options
def dev(
    ip: str | None,
    port: int | None,
    certificate: str | None,
    key: str | None,
    config_file: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Serve the detectors at the routes of the hosted services, until Ctrl+C.

    Models whose weights are not installed are answered by the small embedded detector, and every answer says so.

    \b
    Examples:
      inflare dev
      inflare dev --port 0
      inflare dev --set log.format=json --set runtime.threads=2
      INFLARE_WEIGHTS_MISSING=error inflare dev
    """
    flags = {"dev.ip": ip, "dev.port": port, "dev.certificate": certificate, "dev.key": key}
    settings = effective(config_file, assignments, flags).settings
    from ...runtime import logs
    from ...runtime.server import serve

    logs.configure(settings.log.level, settings.log.format)
    models = _models(settings)
    serve(settings, lambda url: click.echo(_banner(url, models)))


def _models(settings: Settings) -> list[tuple[str, str]]:
    from ...runtime.assembly import open_catalog
    from ..inventory import inventory

    catalog, store = open_catalog(settings)
    return [(item.card.id, item.words) for item in inventory(catalog, store, settings.weights.missing)]


def _banner(url: str, models: list[tuple[str, str]]) -> str:
    first = next((name for name, _ in models if name.startswith("@cf/facebook/")), models[0][0])
    return "\n".join(
        (
            "",
            f"inflare is ready at {url}  (Ctrl+C stops it)",
            "",
            table_text(("MODEL", "WEIGHTS"), models),
            "",
            "Try it:",
            f"  {first_curl(url, first)}",
            "",
        )
    )


def first_curl(url: str, model: str) -> str:
    """The command that shows a detection, with an example scene where this is a checkout."""
    insecure = "-k " if url.startswith("https:") else ""
    return f"curl {insecure}--data-binary @{shlex.quote(_example())} {url}/ai/run/{model}"


def _example() -> str:
    folder = _ROOT / "examples"
    scenes = sorted(path for path in folder.glob("*") if path.suffix.lower() in _IMAGES)
    if not scenes:
        return "photo.jpg"
    try:
        return str(scenes[0].relative_to(Path.cwd()))
    except ValueError:
        return str(scenes[0])
