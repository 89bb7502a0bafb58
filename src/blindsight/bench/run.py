"""Running the cells of a recipe: make the images, train, measure, write the result down; go on where it stopped."""

import csv
import json
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blindsight.bench.cells import Job, why_not
from blindsight.bench.data import BenchData
from blindsight.bench.prepare import Folders, prepare
from blindsight.bench.recipe import Recipe, Scale
from blindsight.bench.results import Result
from blindsight.bench.work_folder import WorkFolder
from blindsight.bench.wrong_keys import top1_under_wrong_keys
from blindsight.errors import BlindsightError, ParameterError
from blindsight.nets.runs import load_run, write_atomic
from blindsight.owner.start_model import make_start_model, sized_profile
from blindsight.profile import INCOMPLETE_MARKER

__all__ = ["Outcome", "Runner"]

#: What a training says of itself that is kept in the result.
KEPT = (
    "epochs",
    "best_epoch",
    "parameters",
    "train_images",
    "val_images",
    "val_top1",
    "train_loss",
    "images_per_second",
    "wall_seconds",
    "cpu_seconds",
    "precision",
    "device",
    "warnings",
)

Progress = Callable[[str, int], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Outcome:
    """What a run of the bench came to.

    Attributes:
        done: results of this run and of earlier ones, in the order of the plan.
        skipped: (job, why) of what is not here yet.
        failed: (job, why) of what ended with an error.
    """

    done: list[Result]
    skipped: list[tuple[str, str]]
    failed: list[tuple[str, str]]


class Runner:
    """Runs jobs one after the other.

    Args:
        recipe: whose cells.
        scale_name: at which scale.
        data: the plain images.
        work: the work folder; several data sets and scales need one each.
        threads: of torch; None is its own choice. Changes the time, and the last digits of sums.
        say: told what happens, a line each.
        progress: called with a title and a number of epochs before each training; gives its display.

    Raises:
        OutputError: the work folder belongs to another recipe, scale or data set.
    """

    def __init__(
        self,
        recipe: Recipe,
        scale_name: str,
        data: BenchData,
        work: Path,
        *,
        threads: int | None = None,
        say: Callable[[str], None] = lambda _: None,
        progress: Progress | None = None,
    ) -> None:
        self.recipe, self.scale_name, self.data = recipe, scale_name, data
        self.scale: Scale = recipe.scales[scale_name]  # type: ignore[index]
        self.work = WorkFolder(work, recipe, scale_name, data, threads)
        self.threads, self.say, self.progress = threads, say, progress

    def run(self, jobs: list[Job]) -> Outcome:
        """Runs what is not done yet, in order. An error ends its cell, not the others.

        Raises:
            OutputError: a finished result is of another recipe than the one at hand.
            BlindsightError: interrupted (the message says how to go on).
        """
        outcome = Outcome([], [], [])
        reasons = {job.cell.name: why_not(job.cell) for job in jobs}
        left = len(jobs)
        for job in jobs:
            left -= 1
            reason = reasons[job.cell.name]
            result = None if reason else self.work.finished(job)
            if reason:
                outcome.skipped.append((job.name, reason))
                self.say(f"{job.name}: skipped, {reason}")
            elif result is not None:
                outcome.done.append(result)
            else:
                self.say(f"{job.name}: {job.cell.images.summary()}; {job.cell.train.model}")
                try:
                    result = self.one(job)
                except BlindsightError as error:
                    # Lightning takes Ctrl-C itself, and training says so in its own words.
                    if isinstance(error.__context__, (KeyboardInterrupt, SystemExit)):
                        raise BlindsightError(_INTERRUPTED) from None
                    outcome.failed.append((job.name, str(error)))
                    self.say(f"{job.name}: failed, {error}; {_cells(left)} left")
                except KeyboardInterrupt:
                    raise BlindsightError(_INTERRUPTED) from None
                else:
                    outcome.done.append(result)
                    self.say(f"{job.name}: {_headline(result)}; {_cells(left)} left")
        return outcome

    def one(self, job: Job) -> Result:
        """Does a job from its images to its result."""
        from blindsight.provider.evaluation import evaluate
        from blindsight.provider.machine import machine, versions

        began = time.process_time()
        folders = prepare(job.cell.images, self.data, job.seed, self.work.path, self.say, self._teacher(job))
        out = self.work.run(job)
        self._make_start(job, folders)
        training, resumed = self._trained(job, folders.train, out)
        run = load_run(out)
        measured = evaluate(run, folders.test, split="test", threads=self.threads)
        wrong: tuple[list[float], int] = ([], 0)
        if job.cell.images.kind == "cipher" and self.scale.wrong_keys:
            wrong = top1_under_wrong_keys(run, self.data, self.scale.wrong_keys, self.scale.wrong_key_images)
        result = Result(
            recipe=self.recipe.name,
            scale=self.scale_name,
            row=job.cell.row,
            column=job.cell.column,
            seed=job.seed,
            images=job.cell.images.model_dump(mode="json"),
            train=self.work.training(job).public(),
            teacher=teacher.name if (teacher := self.work.teacher(job)) else None,
            data=self.data.as_json(),
            top1=measured["top1"],
            interval=tuple(measured["top1_interval"]),
            test_images=measured["n"],
            chance=measured["chance"],
            wrong_keys=tuple(wrong[0]),
            wrong_key_images=wrong[1],
            curves=_curves(out / "metrics.csv"),
            training={name: training[name] for name in KEPT if name in training},
            cpu_seconds=round(time.process_time() - began, 2),
            resumed=resumed,
            versions=versions(),
            machine=machine(),
        )
        path = self.work.result(job)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps(result.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n")
        return result

    def _trained(self, job: Job, images: Path, out: Path) -> tuple[dict[str, Any], bool]:
        """What the training said, and whether it went on after an interruption."""
        from blindsight.provider.training import RECIPE_NAME, train

        if out.exists() and not (out / INCOMPLETE_MARKER).exists():
            stored = json.loads((out / RECIPE_NAME).read_bytes()) if (out / RECIPE_NAME).exists() else {}
            if "result" in stored:
                return stored["result"], True  # interrupted after the training
            shutil.rmtree(out)  # interrupted before it had begun
        resumed = out.exists()
        config = self.work.training(job)
        shown = self.progress(job.name, config.epochs) if self.progress else nullcontext()
        with shown as progress:
            return train(images, out, config, resume=resumed, progress=progress), resumed

    def _teacher(self, job: Job) -> Path | None:
        """The run folder of the model that the cell's labels come from; None where they are the classes.

        Raises:
            ParameterError: it is not trained.
        """
        run = self.work.teacher(job)
        if run is not None and (not run.exists() or (run / INCOMPLETE_MARKER).exists()):
            teacher = job.cell.images.soft_labels.teacher  # type: ignore[union-attr]
            raise ParameterError(
                f"{job.name} learns from {teacher} of seed {job.seed}, which is not trained yet; "
                f"run it first: --only {teacher} --seeds {job.seed}"
            )
        return run

    def _make_start(self, job: Job, folders: Folders) -> None:
        """The model that the training begins with, where it is not random weights; made anew, for it takes no time."""
        if job.cell.start is None:
            return
        train, profile = job.cell.train, sized_profile(folders.train)
        start = self.work.start(job)
        if start.exists():
            shutil.rmtree(start)
        make_start_model(train.model, start, profile, folders.key, model_args=train.model_args, seed=job.seed)


_INTERRUPTED = "interrupted; what is finished is kept: the same command goes on"


def _cells(count: int) -> str:
    return f"{count} cell{'' if count == 1 else 's'}"


def _headline(result: Result) -> str:
    low, high = result.interval
    text = f"top-1 {100 * result.top1:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
    if result.wrong_keys:
        text += f", wrong keys {100 * sum(result.wrong_keys) / len(result.wrong_keys):.1f} %"
    return f"{text}, {result.cpu_seconds:.0f} CPU s"


def _curves(path: Path) -> tuple[dict[str, float], ...]:
    with path.open(newline="") as file:
        return tuple({name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file))
