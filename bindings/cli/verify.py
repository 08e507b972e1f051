"""`inflare verify`: do the installed weights give what was published for them?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .exits import ModelFailure
from .options import json_option, known_card, quiet_settings, settings_options
from .table import table_text

if TYPE_CHECKING:
    from ...models.verification import Check
    from ..verification import Verification


@click.command(short_help="Check installed weights against published figures.")
@click.argument("model")
@click.option(
    "--image",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The photograph that the figures are about; otherwise the one that was fetched when the model was pulled.",
)
@json_option
@settings_options
def verify(
    model: str, image: Path | None, as_json: bool, config_file: Path | None, assignments: tuple[str, ...]
) -> None:
    """Check that the installed weights of MODEL are the published ones.

    The photograph that the model's authors or the reference implementation printed figures for goes through the
    weights; raw outputs, scores and boxes are compared, each within its tolerance. It ends with exit code 3 where
    one of them fails.

    \b
    Examples:
      inflare verify @cf/facebook/detr-resnet-50
      inflare verify PekingU/rtdetr_r50vd --image 000000039769.png
      inflare verify PekingU/rtdetr_r50vd --json | jq .passed
    """
    settings = quiet_settings(config_file, assignments)
    from ...runtime.assembly import open_catalog, session_options
    from ..verification import verify as verified

    catalog, store = open_catalog(settings)
    options = session_options(settings)[0]
    found = verified(store, known_card(catalog, model), options, image=image, max_pixels=settings.limits.image_pixels)
    click.echo(json.dumps(_document(found), indent=2) if as_json else _text(found))
    if not found.passed:
        failed = sum(not check.passed for check in found.checks)
        raise ModelFailure(f"{found.model} does not give what was published: {failed} of {len(found.checks)} failed.")


def _document(found: Verification) -> dict[str, object]:
    return {
        "id": found.model,
        "sha256": found.sha256,
        "passed": found.passed,
        "source": found.source,
        "notes": list(found.notes),
        "checks": [_check_document(check) for check in found.checks],
    }


def _check_document(check: Check) -> dict[str, object]:
    missing = len(check.found) != len(check.expected)
    return {
        "name": check.name,
        "expected": list(check.expected),
        "found": list(check.found),
        "difference": None if missing else check.difference,  # JSON has no infinity
        "tolerance": check.tolerance,
        "passed": check.passed,
    }


def _text(found: Verification) -> str:
    rows = [
        (
            "pass" if check.passed else "FAIL",
            check.name,
            _numbers(check.expected),
            _numbers(check.found),
            f"{check.difference:.2g}" if check.found else "missing",
            f"{check.tolerance:.2g}",
        )
        for check in found.checks
    ]
    table = table_text(("", "FIGURE", "PUBLISHED", "FOUND", "APART", "ALLOWED"), rows, right=frozenset({4, 5}))
    outcome = "gives what was published" if found.passed else "DOES NOT give what was published"
    notes = [f"Note: {note}" for note in found.notes]
    return "\n".join([table, "", f"{found.model} {outcome} ({found.source}).", *notes])


def _numbers(values: Sequence[float]) -> str:
    """The first three: a corner has nine."""
    shown = " ".join(f"{value:.4f}" for value in values[:3])
    return f"{shown} …" if len(values) > 3 else shown or "-"
