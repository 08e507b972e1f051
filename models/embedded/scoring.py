"""pycocotools' scoring of results against a COCO document, for boxes and for keypoints."""

import contextlib
import importlib
import io
from typing import Any, cast


def scored(truth: dict[str, Any], results: list[dict[str, Any]], kind: str) -> Any:
    """The COCOeval of `results` in COCO's form, "bbox" or "keypoints", with its figures in `stats`. Raises ImportError
    without pycocotools."""
    coco = cast(Any, importlib.import_module("pycocotools.coco"))
    scoring = cast(Any, importlib.import_module("pycocotools.cocoeval"))
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress and its summary
        known = coco.COCO()
        known.dataset = {"info": {}, **truth}
        known.createIndex()
        run = scoring.COCOeval(known, known.loadRes(results), kind)
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run
