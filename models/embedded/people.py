"""People with known joints: a skeleton dressed in ink, and for each joint whether it can be seen.

A keypoint head attaches to the decoder's query embeddings beside the box and class heads: 17 offsets from the box
centre in box sizes with a Cholesky factor each, trained on `Figure.joints` where visibility is above 0."""

import math
from dataclasses import dataclass

from numpy.random import Generator

from .palette import BLACK, HAIRS, SKINS, WHITE, Colour, mix, paint, pick, shade
from .pen import Patch, Pen, Placement, Point, arc
from .skeleton import HEAD_RADIUS, HEAD_Y, Joint, draw_pose, project

# Parts as numbers in the pen's part map.
LEG, TORSO, HEAD, ARM = (1, 2), 3, 4, (5, 6)
OCCLUDED, VISIBLE = 1, 2


@dataclass(frozen=True)
class Figure:
    """A drawn thing: its patch, and for a person 17 joints (x, y in pixels of the patch, 1 occluded by the body
    itself or 2 visible)."""

    patch: Patch
    joints: tuple[tuple[float, float, int], ...] = ()


@dataclass(frozen=True)
class _Clothes:
    skin: Colour
    hair: Colour
    shirt: Colour
    trousers: Colour
    shoes: Colour
    long_sleeves: bool
    shorts: bool
    skirt: bool
    hat: bool
    long_hair: bool
    pack: bool
    logo: bool
    girth: float


def draw_person(rng: Generator, placement: Placement) -> Figure:
    """A person in a random pose, build and dress, with joints. Left and right are the person's own."""
    pen = Pen(placement, tracked=True)
    pen.ink = rng.uniform(0.5, 0.8) if rng.random() < 0.35 else None
    build = rng.uniform(0.8, 1.15)
    pose = draw_pose(rng)
    joints = project(pose, build)
    clothes = _dress(rng, build)
    for _, part in sorted(_parts(joints), key=lambda item: item[0]):
        _draw_part(pen, part, joints, clothes, pose.yaw)
    patch = pen.patch()
    marked = [(*pen.on_patch(j.at, patch), _visibility(pen, i, j)) for i, j in enumerate(joints)]
    return Figure(patch, tuple(marked))


def _dress(rng: Generator, build: float) -> _Clothes:
    def chance(share: float) -> bool:
        return bool(rng.random() < share)

    return _Clothes(
        skin=pick(rng, SKINS),
        hair=pick(rng, HAIRS),
        shirt=paint(rng),
        trousers=paint(rng),
        shoes=shade(paint(rng), 0.6),
        long_sleeves=chance(0.5),
        shorts=chance(0.25),
        skirt=chance(0.18),
        hat=chance(0.2),
        long_hair=chance(0.35),
        pack=chance(0.3),
        logo=chance(0.5),
        girth=build * rng.uniform(0.85, 1.15),
    )


def _parts(joints: list[Joint]) -> list[tuple[float, int]]:
    """Every part with its place in the drawing order, far to near."""
    order: list[tuple[float, int]] = [(0.0, TORSO), (0.02, HEAD)]
    for side in (0, 1):
        order.append((-0.5 + joints[13 + side].depth * 0.1, LEG[side]))
        reach = (joints[7 + side].depth + joints[9 + side].depth) / 2
        order.append((0.3 + reach if reach > -0.02 else -1.0 + reach, ARM[side]))
    return order


def _draw_part(pen: Pen, part: int, joints: list[Joint], clothes: _Clothes, yaw: float) -> None:
    pen.part = part
    if part == TORSO:
        _torso(pen, joints, clothes, yaw)
    elif part == HEAD:
        _head(pen, joints, clothes, yaw)
    elif part in LEG:
        _leg(pen, [joints[i + LEG.index(part)].at for i in (11, 13, 15)], clothes, yaw, LEG.index(part))
    else:
        _arm(pen, [joints[i + ARM.index(part)].at for i in (5, 7, 9)], clothes, ARM.index(part))


def _leg(pen: Pen, points: list[Point], clothes: _Clothes, yaw: float, side: int) -> None:
    hip, knee, ankle = points
    cloth = shade(clothes.trousers, 0.9 if side else 1.0)
    wide = 0.17 * clothes.girth
    toe = (ankle[0] + 0.12 * math.sin(yaw), ankle[1] + 0.055)
    pen.stroke([(ankle[0], ankle[1] + 0.045), toe], 0.1, clothes.shoes)
    bare = clothes.shorts or clothes.skirt
    pen.stroke([knee, ankle], wide * 0.78, clothes.skin if bare else cloth)
    if clothes.skirt:
        pen.stroke([hip, knee], wide, clothes.skin)
    else:
        pen.stroke([hip, knee], wide, cloth)


def _arm(pen: Pen, points: list[Point], clothes: _Clothes, side: int) -> None:
    shoulder, elbow, wrist = points
    sleeve = shade(clothes.shirt, 0.82 if side else 0.9)
    wide = 0.125 * clothes.girth
    pen.stroke([elbow, wrist], wide * 0.85, sleeve if clothes.long_sleeves else clothes.skin)
    pen.stroke([shoulder, elbow], wide, sleeve)
    pen.ellipse(_beyond(elbow, wrist, 0.05), 0.06, 0.06, clothes.skin)


def _beyond(start: Point, end: Point, extra: float) -> Point:
    length = math.hypot(end[0] - start[0], end[1] - start[1]) or 1.0
    return (end[0] + (end[0] - start[0]) / length * extra, end[1] + (end[1] - start[1]) / length * extra)


def _torso(pen: Pen, joints: list[Joint], clothes: _Clothes, yaw: float) -> None:
    left, right, low_left, low_right = (joints[i].at for i in (5, 6, 11, 12))
    wide = 0.17 * clothes.girth
    if clothes.long_hair and math.cos(yaw) > 0.3:
        _long_hair(pen, clothes, yaw)
    pen.stroke([(0.0, -0.62), (0.0, -0.74)], 0.1, shade(clothes.skin, 0.85))
    if clothes.pack and math.cos(yaw) > -0.4:
        _backpack(pen, yaw, clothes)
    if clothes.skirt:
        hem = 0.3 * clothes.girth
        pen.polygon([(low_left[0], 0.0), (low_right[0], 0.0), (-hem, 0.4), (hem, 0.4)], clothes.shirt)
        pen.polygon([(-0.14, -0.05), (0.14, -0.05), (hem, 0.4), (-hem, 0.4)], clothes.trousers)
    pen.polygon([left, right, low_right, low_left], clothes.shirt)
    pen.stroke([left, right, low_right, low_left, left], wide, clothes.shirt)
    facing = math.cos(yaw)
    if facing > 0.35:
        _front(pen, yaw, clothes)
    elif clothes.pack and facing <= -0.4:
        _backpack(pen, yaw, clothes)


def _front(pen: Pen, yaw: float, clothes: _Clothes) -> None:
    shift, narrow = 0.1 * math.sin(yaw), math.cos(yaw)
    throat = [(shift - 0.08 * narrow, -0.7), (shift + 0.08 * narrow, -0.7), (shift, -0.54)]
    pen.polygon(throat, clothes.skin)
    if clothes.logo:
        pen.ellipse((shift, -0.32), 0.1 * narrow, 0.1, mix(clothes.shirt, clothes.trousers, 0.8))
    else:
        pen.stroke([(shift, -0.52), (shift, 0.04)], 0.02, shade(clothes.shirt, 0.6))


def _backpack(pen: Pen, yaw: float, clothes: _Clothes) -> None:
    shift, half = -0.2 * math.sin(yaw), 0.08 + 0.14 * abs(math.cos(yaw))
    pen.box(shift - half, -0.66, shift + half, -0.1, shade(clothes.trousers, 0.75), 0.07)
    pen.box(shift - half * 0.6, -0.34, shift + half * 0.6, -0.16, shade(clothes.trousers, 0.55), 0.03)


def _head(pen: Pen, joints: list[Joint], clothes: _Clothes, yaw: float) -> None:
    centre, facing = (0.0, HEAD_Y), math.cos(yaw)
    if clothes.long_hair and facing <= 0.3:
        _long_hair(pen, clothes, yaw)
    for ear in (3, 4):
        if joints[ear].depth <= 0.03:
            pen.ellipse(joints[ear].at, 0.03, 0.042, shade(clothes.skin, 0.85))
    pen.ellipse(centre, HEAD_RADIUS, HEAD_RADIUS * 1.17, clothes.skin)
    _hair(pen, clothes, yaw)
    for ear in (3, 4):
        if joints[ear].depth > 0.03:
            pen.ellipse(joints[ear].at, 0.035, 0.045, shade(clothes.skin, 0.8))
    if facing > -0.3:
        _face(pen, joints, clothes)
    if clothes.hat:
        _hat(pen, clothes, yaw)


def _long_hair(pen: Pen, clothes: _Clothes, yaw: float) -> None:
    back = -0.045 * math.sin(yaw)
    pen.box(back - 0.15, HEAD_Y - 0.05, back + 0.15, HEAD_Y + 0.27, clothes.hair, 0.09)


def _hair(pen: Pen, clothes: _Clothes, yaw: float) -> None:
    facing = math.cos(yaw)
    rx, ry = HEAD_RADIUS * 1.07, HEAD_RADIUS * 1.22
    if facing < -0.3:
        pen.ellipse((0.0, HEAD_Y - 0.01), rx, ry, clothes.hair)
        return
    turn = -0.9 * math.sin(yaw) * (1.0 - 0.3 * max(0.0, facing))
    pen.polygon(arc((0.0, HEAD_Y - 0.01), rx, ry, math.pi + 0.25 + turn, 2 * math.pi - 0.25 + turn), clothes.hair)


def _face(pen: Pen, joints: list[Joint], clothes: _Clothes) -> None:
    for eye in (1, 2):
        if joints[eye].depth > 0.01:
            pen.ellipse(joints[eye].at, 0.032, 0.026, WHITE)
            pen.ellipse(joints[eye].at, 0.016, 0.02, BLACK)
    nose = joints[0]
    if nose.depth > -0.045:
        pen.ellipse(nose.at, 0.024, 0.03, shade(clothes.skin, 0.8))
        if nose.depth > 0.03:
            mouth = (nose.at[0] * 0.85, HEAD_Y + 0.085)
            pen.ellipse(mouth, 0.045, 0.014, mix(clothes.skin, (170, 40, 50), 0.7))


def _hat(pen: Pen, clothes: _Clothes, yaw: float) -> None:
    crown = arc((0.0, HEAD_Y - 0.06), HEAD_RADIUS * 1.1, HEAD_RADIUS * 1.0, math.pi, 2 * math.pi)
    pen.polygon(crown, clothes.shoes)
    brim = 0.16 * math.sin(yaw)
    pen.stroke([(brim - 0.1, HEAD_Y - 0.065), (brim + 0.1, HEAD_Y - 0.065)], 0.03, shade(clothes.shoes, 0.7))


def _visibility(pen: Pen, index: int, joint: Joint) -> int:
    """VISIBLE where the part that the joint belongs to lies on top there, and it faces the viewer."""
    top = pen.part_at(joint.at)
    if index == 0:
        return VISIBLE if top == HEAD and joint.depth > -0.045 else OCCLUDED
    if index < 5:
        return VISIBLE if top == HEAD and joint.depth > (0.01 if index < 3 else -0.06) else OCCLUDED
    side = 1 - index % 2
    own = ARM[side] if index < 11 else LEG[side]
    near = index in (5, 6, 11, 12) and joint.depth > -0.03
    return VISIBLE if top == own or (near and top == TORSO) else OCCLUDED
