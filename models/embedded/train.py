"""Trains the embedded detector on drawn scenes: `python -m inflare.models.embedded.train --minutes 80`.

It can be stopped at any time and resumed; the averaged weights are written every few minutes."""

import argparse
import multiprocessing as mp
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from .classes import training_odds
from .course import Course, Plan, Progress
from .dataset import INPUT_SIDE, Batch, BatchStream, Recipe, draw_batches
from .network import torch_module
from .replicas import Replicas
from .topdown_trainer import TopDownTrainer
from .trainer import Trainer

SMALL_SIDE = 192
NEEDED = ("torch", "transformers", "scipy")
EPILOG = """
examples:
  python -m inflare.models.embedded.train --minutes 1 --out trial        a look at whether it runs
  python -m inflare.models.embedded.train --minutes 80 --out run         the whole recipe, two cores
  python -m inflare.models.embedded.train --minutes 80 --out run --resume  goes on after an interruption
  python -m inflare.models.embedded.train --minutes 20 --replicas 1 --batch 96 --workers 12   one GPU, twelve cores
  python -m inflare.models.embedded.train --minutes 30 --joints --start run --out joints   the keypoint sibling
  python -m inflare.models.embedded.train --minutes 60 --rate 6e-4 --joints --start models/embedded/keypoints.onnx
                                                                         train on what ships
  python -m inflare.models.embedded.train --minutes 60 --topdown --people 0.5 --batch 16 --out look
                                                                         the sibling's second look at each person
then:
  python -m inflare.models.embedded.export --run run --out detector.onnx
  python -m inflare.models.embedded.evaluate --model detector.onnx

Ctrl-C (or SIGTERM) writes a checkpoint and ends. The learning rate follows a cosine over the minutes spent
training, so a resumed run may be given more or fewer minutes than before.
"""


def run(
    trainer: Course, plan: Plan, replicas: Replicas, batches: Callable[[], Batch], until: float, asked: list[int]
) -> None:
    """Trains step by step until that share of the minutes is spent or a signal asks any replica to stop; the first
    replica shows the progress and writes the state, the last one always."""
    from tqdm import tqdm

    first, progress = replicas.rank == 0, trainer.progress
    saved = began = time.monotonic()
    before, stop = progress.seconds, False
    bar = tqdm(
        total=round(plan.minutes * 60), initial=round(before), unit="s", mininterval=5, smoothing=0, disable=not first
    )
    while trainer.share < until and not stop:
        trainer.step(batches(), replicas.share)
        now = time.monotonic()
        stop_asked, progress.seconds = replicas.largest([float(bool(asked)), before + now - began])
        stop = stop_asked > 0
        progress.images += plan.batch * (replicas.count - 1)
        if first:
            trainer.follow()
            bar.update(round(progress.seconds) - bar.n)
            bar.set_postfix_str(summary(progress), refresh=False)
        if first and now - saved > plan.save_every_s:
            trainer.save()
            saved = now
    bar.close()
    if first:
        trainer.save()


def summary(progress: Progress) -> str:
    """One line on where the run stands."""
    return f"step {progress.step}, {progress.images} pictures, loss {progress.loss:.2f}"


def _part(
    trainer: Course,
    plan: Plan,
    replicas: Replicas,
    options: argparse.Namespace,
    recipe: Recipe,
    until: float,
    asked: list[int],
) -> None:
    """The run on pictures of one recipe, until that share of the minutes is spent."""
    if options.workers == 0:
        batches = draw_batches(recipe, replicas.rank)
        run(trainer, plan, replicas, lambda: next(batches), until, asked)
    else:
        stream = BatchStream(recipe, [replicas.rank + replicas.count * worker for worker in range(options.workers)])
        run(trainer, plan, replicas, stream.next, until, asked)
        stream.close()


def _replica(rank: int, options: argparse.Namespace, plan: Plan) -> None:
    torch_module().set_num_threads(options.threads)
    trainer = TopDownTrainer(plan) if options.topdown else Trainer(plan)
    if options.resume:
        trainer.resume()
    elif options.start:
        trainer.start_from(options.start)
    replicas = Replicas(rank, options.replicas, plan.out / f"meeting-{os.getppid()}")
    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: asked.append(received))
    # Another seed after each resumption and in each replica: no scene is drawn twice.
    seed = plan.seed + 1000 * trainer.progress.starts
    recipe = Recipe(seed, plan.batch, uses=options.uses, odds=training_odds(options.people))
    if options.topdown:
        recipe = replace(recipe, side=INPUT_SIDE)
    elif trainer.share < plan.small_share and options.small_side != recipe.side:
        small = replace(recipe, seed=recipe.seed + 500, side=options.small_side)
        _part(trainer, plan, replicas, options, small, plan.small_share, asked)
    if not asked:
        _part(trainer, plan, replicas, options, recipe, 1.0, asked)
    replicas.close()
    if rank == 0:
        print(f"{summary(trainer.progress)}; averaged weights in {plan.out / 'average'}")


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        parser.error(f"training needs {', '.join(missing)}: pip install 'inflare[train]'")
    if options.people is not None and not 0 < options.people < 1:
        parser.error("--people is a share between 0 and 1")
    if not 0 <= options.small_share <= 1:
        parser.error("--small-share is a share from 0 to 1")
    plan = Plan(
        minutes=options.minutes,
        seed=options.seed,
        out=options.out,
        batch=options.batch,
        rate=options.rate,
        small_share=options.small_share,
        joints=options.joints,
        trunk_share=options.trunk_share,
    )
    plan.out.mkdir(parents=True, exist_ok=True)
    context = mp.get_context("spawn")
    processes = [context.Process(target=_replica, args=(rank, options, plan)) for rank in range(options.replicas)]
    for process in processes:
        process.start()

    def pass_on(number: int, _: object) -> None:
        for process in processes:
            if process.is_alive() and process.pid is not None:
                os.kill(process.pid, number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the replicas as well
    for process in processes:
        process.join()
    return max(abs(process.exitcode or 0) for process in processes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m inflare.models.embedded.train",
        description="Train the embedded detector on drawn scenes.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--minutes", type=float, required=True, help="wall time to train for, earlier parts of a resumed run included")
    add("--seed", type=int, default=1, help="of weights and scenes (default 1; the held-out scenes have another)")
    add("--out", type=Path, default=Path("build/embedded"), help="folder of the run (default build/embedded)")
    add("--resume", action="store_true", help="go on from the state in --out")
    add(
        "--start",
        type=Path,
        metavar="RUN",
        help="begin with the averaged weights of another run, or with an exported .onnx file, at full rate",
    )
    add(
        "--small-side",
        type=int,
        default=SMALL_SIDE,
        help=f"of the pictures in the first part of the time, a multiple of 32 (default {SMALL_SIDE})",
    )
    add(
        "--small-share",
        type=float,
        default=Plan.small_share,
        help=f"of the time that is that first part (default {Plan.small_share}); less where a run begins with weights",
    )
    add("--rate", type=float, default=Plan.rate, help=f"of learning, at its highest (default {Plan.rate})")
    heads = parser.add_mutually_exclusive_group()
    heads.add_argument(
        "--joints", action="store_true", help="train a keypoint head for people, too: the embedded sibling"
    )
    heads.add_argument(
        "--topdown", action="store_true", help="train the sibling's second look at each person, and nothing else"
    )
    add(
        "--trunk-share",
        type=float,
        default=Plan.trunk_share,
        help=f"of the joints' gradient (default {Plan.trunk_share})",
    )
    add("--people", type=float, metavar="SHARE", help="of people among the figures (default about a sixth)")
    add("--uses", type=int, default=Recipe.uses, help=f"pictures made of each drawn scene (default {Recipe.uses})")
    add("--batch", type=int, default=Plan.batch, help=f"pictures in a step of each replica (default {Plan.batch})")
    add(
        "--replicas",
        type=int,
        default=2,
        help="processes that train side by side, one a core (default 2); one for a GPU, which more would only slow",
    )
    add("--threads", type=int, default=1, help="threads of each replica (default 1)")
    add("--workers", type=int, default=0, help="processes that draw for each replica (default 0: it draws itself)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
