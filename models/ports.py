"""Which of a graph's inputs and outputs are the image, its mask, the logits, the boxes and the keypoints: told by
the names that exporters use and by shape, and checked against what a card expects."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .card import Card
from .heads.keypoints import slots

Shape = tuple[int | None, ...]  # None: any size

# Names by exporter: the hub's own and optimum's, the original repositories', rfdetr's.
_LOGITS = ("logits", "pred_logits", "labels")
_BOXES = ("pred_boxes", "boxes", "dets")
_KEYPOINTS = ("keypoints", "pred_keypoints")
_FLOATS = ("float", "float16")
_MASKS = ("int64", "bool", "float")
_FIELDS = 8  # numbers a keypoint slot holds


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a graph; a `shape` of None was not declared."""

    name: str
    dtype: str
    shape: Shape | None

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.name} {self.dtype} of undeclared shape"
        return f"{self.name} {self.dtype} [{', '.join('?' if side is None else str(side) for side in self.shape)}]"

    @property
    def rank(self) -> int | None:
        return None if self.shape is None else len(self.shape)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a graph is read: `size` is (height, width) where fixed; `served` means it is in the contract already."""

    pixels: Port
    mask: Port | None
    outputs: tuple[tuple[str, Port], ...]  # by the contract's names
    size: tuple[int, int] | None
    served: bool
    problems: tuple[str, ...]


def plan(inputs: Sequence[Port], outputs: Sequence[Port], card: Card) -> Plan:
    """Recognises the ports, and names every problem with what was expected and found."""
    served = any(port.name == "images" and port.dtype == "uint8" for port in inputs)
    pixels = _pixels(inputs, served)
    mask = None if served else next((port for port in inputs if port is not pixels and _is_mask(port)), None)
    known = ("sizes",) if served else ()
    others = [port for port in inputs if port is not pixels and port is not mask and port.name not in known]
    named, missing = _named(outputs, card, served)
    size, sizes = _size(pixels, card, served)
    problems = (
        *_input_problems(pixels, inputs, served),
        *sizes,
        *(f"input: expected the image and at most a mask, found {port} too" for port in others),
        *missing,
        *_output_problems(dict(named), card),
    )
    return Plan(pixels, mask, named, size, served, problems)


def _pixels(inputs: Sequence[Port], served: bool) -> Port:
    if served:
        return next(port for port in inputs if port.name == "images")
    images = [port for port in inputs if port.dtype in _FLOATS and port.rank == 4]
    named = [port for port in images if port.name in ("pixel_values", "images", "input")]
    return next(iter((*named, *images)), Port("", "float", None))


def _is_mask(port: Port) -> bool:
    return port.rank == 3 and port.dtype in _MASKS


def _input_problems(pixels: Port, inputs: Sequence[Port], served: bool) -> Iterable[str]:
    wanted = "images uint8 [batch, H, W, 3]" if served else "pixel_values float [batch, 3, H, W]"
    if pixels.shape is None:
        found = ", ".join(map(str, inputs)) or "none"
        return (f"input: expected {wanted}, found {found}",)
    batch, channels = pixels.shape[0], pixels.shape[3 if served else 1] if len(pixels.shape) == 4 else 0
    problems: list[str] = []
    if channels not in (3, None):
        problems.append(f"input {pixels.name}: expected {wanted}, found {pixels}")
    if batch not in (1, None):
        problems.append(f"input {pixels.name}: expected a batch that is free or 1, found one fixed at {batch}")
    return problems


def _size(pixels: Port, card: Card, served: bool) -> tuple[tuple[int, int] | None, tuple[str, ...]]:
    """The fixed (height, width), and what speaks against it."""
    if pixels.shape is None or len(pixels.shape) != 4:
        return None, ()
    height, width = pixels.shape[1:3] if served else pixels.shape[2:4]
    side, square = card.input.size, card.input.kind == "square"
    if square:
        wrong = [found for found in (height, width) if found not in (side, None)]
        expected = f"{side} x {side} pixels, or any size"
    else:
        wrong = [found for found in (height, width) if found is not None]
        expected = "any size, because the card keeps the image's aspect"
    if wrong:
        return None, (f"input {pixels.name}: expected {expected}, found {pixels}",)
    return ((side, side) if square else None), ()


def _named(outputs: Sequence[Port], card: Card, served: bool) -> tuple[tuple[tuple[str, Port], ...], tuple[str, ...]]:
    """The outputs under the contract's names: by their own names first, by shape where no name is known."""
    left = [port for port in outputs if port.dtype in _FLOATS]
    wanted = {"boxes": _BOXES, "logits": _LOGITS} | ({"keypoints": _KEYPOINTS} if card.keypoints else {})
    found: dict[str, Port] = {}
    for name, names in wanted.items():
        known = [port for port in left if port.name in ((name,) if served else names)]
        if known:
            found[name] = known[0]
            left.remove(known[0])
    for name in () if served else wanted:
        alike = [port for port in left if _looks_like(port, name, card)]
        if name not in found and len(alike) == 1:
            found[name] = alike[0]
            left.remove(alike[0])
    listed = ", ".join(map(str, outputs)) or "none"
    missing = tuple(
        f"output {name}: expected one like {_expected(name, card)}, found {listed}"
        for name in wanted
        if name not in found
    )
    order = [name for name in ("logits", "boxes", "keypoints") if name in found]
    return tuple((name, found[name]) for name in order), missing


def _looks_like(port: Port, name: str, card: Card) -> bool:
    if port.shape is None:
        return False
    if name == "keypoints":
        return port.rank == 4 and port.shape[3] == _FIELDS
    return port.rank == 3 and port.shape[2] == (4 if name == "boxes" else card.class_count)


def _expected(name: str, card: Card) -> str:
    sizes = {"logits": f"{card.class_count}", "boxes": "4", "keypoints": f"K, {_FIELDS}"}
    return f"float [batch, Q, {sizes[name]}]"


def _output_problems(found: dict[str, Port], card: Card) -> Iterable[str]:
    for name, port in found.items():
        width, rank = {"logits": card.class_count, "boxes": 4, "keypoints": _FIELDS}[name], 4 if name[0] == "k" else 3
        if port.shape is None:  # only its name speaks for it; its values are checked when it runs
            continue
        if len(port.shape) != rank or port.shape[-1] not in (width, None):
            more = f" ({len(card.labels)} labels)" if name == "logits" else ""
            yield f"output {port.name}: expected {_expected(name, card)}{more}, found {port}"
    queries = {port.shape[1] for port in found.values() if port.shape and len(port.shape) > 1} - {None}
    if len(queries) > 1:
        listed = ", ".join(map(str, found.values()))
        yield f"outputs: expected one number of queries, found {listed}"
    yield from _slot_problems(found.get("keypoints"), card)


def _slot_problems(port: Port | None, card: Card) -> Iterable[str]:
    if port is None or port.shape is None or len(port.shape) != 4 or port.shape[2] is None:
        return
    try:
        slots({points.class_id: len(points.names) for points in card.keypoints}, port.shape[2])
    except ValueError as error:
        yield f"output {port.name}: expected slots for the card's keypoints, found {port}: {error}"
