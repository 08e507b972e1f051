"""A person's skeleton in three dimensions and its projection: where the 17 COCO joints of a pose lie.

Joints come in COCO's order (coco.PERSON_KEYPOINTS); people.py adds whether each can be seen."""

import math
from dataclasses import dataclass

from numpy.random import Generator

from .pen import Point

# Joint indices after a left-right flip of the picture.
FLIPPED: tuple[int, ...] = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)

HEAD_RADIUS = 0.135
HEAD_Y = -0.84
# Degrees from straight ahead, towards the person's left, of nose, eyes and ears on the head; and their height.
FACE: tuple[tuple[float, float], ...] = ((0, 0.02), (27, -0.03), (-27, -0.03), (88, 0.0), (-88, 0.0))


@dataclass(frozen=True)
class Limb:
    """A limb of two bones by its angles in radians: `swing` forward, `spread` sideways, `bend` at the middle
    joint (elbows forward, knees backward)."""

    swing: float
    spread: float
    bend: float


@dataclass(frozen=True)
class Pose:
    """A body's limbs and the way it faces: `yaw` 0 looks at the viewer, pi/2 to the picture's right."""

    yaw: float
    arms: tuple[Limb, Limb]
    legs: tuple[Limb, Limb]


@dataclass(frozen=True)
class Joint:
    """A joint projected: where it lies in unit coordinates, and its depth (positive towards the viewer)."""

    at: Point
    depth: float


def draw_pose(rng: Generator) -> Pose:
    """A random pose: standing, walking, running, cheering, reaching or sitting, facing anywhere."""
    yaw = rng.choice([0.0, 0.0, math.pi, math.pi / 2, -math.pi / 2]) + rng.normal(0, 0.35)
    family = int(rng.integers(6))
    if family == 5:
        return Pose(float(yaw), _standing_arms(rng), _sitting_legs(rng))
    if family == 0:
        return Pose(float(yaw), _standing_arms(rng), _standing_legs(rng))
    if family == 1:
        return Pose(float(yaw), *_stride(rng, rng.uniform(0.25, 0.55), bend=0.35))
    if family == 2:
        return Pose(float(yaw), *_stride(rng, rng.uniform(0.6, 1.0), bend=1.3))
    if family == 3:
        return Pose(float(yaw), (_raised(rng), _raised(rng)), _standing_legs(rng))
    one, other = _standing_arms(rng)
    arms = (_raised(rng), other) if rng.random() < 0.5 else (one, _raised(rng))
    return Pose(float(yaw), arms, _standing_legs(rng))


def _standing_arms(rng: Generator) -> tuple[Limb, Limb]:
    def arm() -> Limb:
        return Limb(rng.normal(0.05, 0.2), abs(rng.normal(0.2, 0.15)), abs(rng.normal(0.2, 0.4)))

    return arm(), arm()


def _standing_legs(rng: Generator) -> tuple[Limb, Limb]:
    def leg() -> Limb:
        return Limb(rng.normal(0, 0.1), abs(rng.normal(0.09, 0.1)), abs(rng.normal(0, 0.12)))

    return leg(), leg()


def _sitting_legs(rng: Generator) -> tuple[Limb, Limb]:
    def leg() -> Limb:
        return Limb(rng.normal(1.35, 0.15), abs(rng.normal(0.12, 0.12)), rng.normal(1.35, 0.2))

    return leg(), leg()


def _stride(rng: Generator, reach: float, bend: float) -> tuple[tuple[Limb, Limb], tuple[Limb, Limb]]:
    side = 1 if rng.random() < 0.5 else -1

    def arm(way: int) -> Limb:
        return Limb(way * reach * rng.uniform(0.7, 1.1), abs(rng.normal(0.1, 0.08)), bend * rng.uniform(0.6, 1.3))

    def leg(way: int) -> Limb:
        trailing = bend * rng.uniform(0.6, 1.2) if way < 0 else bend * rng.uniform(0.1, 0.6)
        return Limb(way * reach, abs(rng.normal(0.05, 0.04)), trailing)

    return (arm(side), arm(-side)), (leg(-side), leg(side))


def _raised(rng: Generator) -> Limb:
    return Limb(rng.normal(0.2, 0.3), rng.uniform(1.3, 2.8), abs(rng.normal(0.2, 0.4)))


def project(pose: Pose, build: float) -> list[Joint]:
    """The 17 joints of `pose` in COCO's order, in unit coordinates (the body about two units tall).

    `build` scales widths; left is the person's left."""
    cos, sin = math.cos(pose.yaw), math.sin(pose.yaw)

    def seen(left: float, ahead: float, down: float) -> Joint:
        return Joint((left * cos + ahead * sin, down), ahead * cos - left * sin)

    joints = [_on_head(pose.yaw, math.radians(angle), height) for angle, height in FACE]
    rows: list[tuple[Joint, Joint]] = []
    for root, limbs, bones, knee in (
        ((0.2 * build, -0.6), pose.arms, (0.31, 0.29), -1),
        ((0.115 * build, 0.04), pose.legs, (0.45, 0.45), 1),
    ):
        chains = [_chain(side, root, limb, bones, knee) for side, limb in zip((1, -1), limbs, strict=True)]
        rows += [(seen(*one), seen(*other)) for one, other in zip(*chains, strict=True)]
    for one, other in rows:
        joints += [one, other]
    return joints


def _on_head(yaw: float, angle: float, height: float) -> Joint:
    reach = HEAD_RADIUS * (1.12 if angle == 0 else 0.98)
    return Joint((reach * math.sin(angle + yaw), HEAD_Y + height), reach * math.cos(angle + yaw))


def _chain(
    side: int, root: tuple[float, float], limb: Limb, bones: tuple[float, float], knee: int
) -> list[tuple[float, float, float]]:
    """Root, middle and end of a limb as (left, ahead, down); `knee` is 1 where it bends backward, else -1."""
    here = (side * root[0], 0.0, root[1])
    chain = [here]
    for length, swing in ((bones[0], limb.swing), (bones[1], limb.swing - knee * limb.bend)):
        flat = math.cos(limb.spread)
        step = (side * math.sin(limb.spread), math.sin(swing) * flat, math.cos(swing) * flat)
        here = (here[0] + length * step[0], here[1] + length * step[1], here[2] + length * step[2])
        chain.append(here)
    return chain
