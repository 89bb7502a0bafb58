"""Running the cells of a recipe: make the images, train, measure, write the result down; go on where it stopped."""

import csv
import hashlib
import json
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blindsight.bench.cells import Job, cells_of, why_not
from blindsight.bench.data import BenchData
from blindsight.bench.prepare import Folders, prepare
from blindsight.bench.recipe import Images, Recipe, Scale
from blindsight.bench.results import RESULTS, Result, read_result
from blindsight.bench.wrong_keys import top1_under_wrong_keys
from blindsight.errors import BlindsightError, OutputError, ParameterError
from blindsight.nets.runs import load_run, write_atomic
from blindsight.owner.start_model import make_start_model, sized_profile
from blindsight.profile import INCOMPLETE_MARKER
from blindsight.provider.recipe import INCIDENTAL, TrainConfig

__all__ = ["Outcome", "Runner"]

RUNS, STARTS = "runs", "starts"
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
    """Runs jobs one after the other. In the work folder: ``keys``, ``images``, ``starts``, ``runs`` and ``results``.

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
        self.recipe, self.scale_name, self.data, self.work = recipe, scale_name, data, work
        self.scale: Scale = recipe.scales[scale_name]  # type: ignore[index]
        self.threads, self.say, self.progress = threads, say, progress
        work.mkdir(parents=True, exist_ok=True)
        marker = work / "bench.json"
        mine = {"recipe": recipe.name, "scale": scale_name, "data": data.as_json()}
        if marker.exists():
            theirs = json.loads(marker.read_bytes())
            for name, value in mine.items():
                if theirs.get(name) != value:
                    raise OutputError(
                        f"{work} was begun with {name} {theirs.get(name)!r}, and this is {value!r}; "
                        f"choose another folder with --out"
                    )
        else:
            write_atomic(marker, json.dumps(mine, indent=2) + "\n")

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
            result = None if reason else self.finished(job)
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

    def finished(self, job: Job) -> Result | None:
        """The result of a job that was done before.

        Raises:
            OutputError: it was made by another recipe.
            CorruptDataError: it is damaged.
        """
        path = self._result(job)
        if not path.exists():
            return None
        result = read_result(path)
        teacher = self._teaching(job)
        if teacher is not None and result.teacher != teacher.name:
            raise OutputError(
                f"{job.name} was taught by another training of its teacher than the recipe now gives; "
                f"remove {path.relative_to(self.work)}, or choose another folder with --out"
            )
        for what, then, now in (
            # A result of an earlier version lacks what came later: the defaults, which are what was so then.
            (
                "images",
                Images.model_validate(result.images).model_dump(mode="json"),
                job.cell.images.model_dump(mode="json"),
            ),
            ("train", TrainConfig.make(result.train).public(), self._train(job).public()),
        ):
            for name in {*then, *now} - _INCIDENTAL:
                if then.get(name) != now.get(name):
                    raise OutputError(
                        f"{job.name} was done with {what} {name} {then.get(name)!r}, and the recipe now says "
                        f"{now.get(name)!r}; remove {path.relative_to(self.work)}, "
                        f"or choose another folder with --out"
                    )
        return result

    def one(self, job: Job) -> Result:
        """Does a job from its images to its result."""
        from blindsight.provider.evaluation import evaluate
        from blindsight.provider.machine import machine, versions

        began = time.process_time()
        folders = prepare(job.cell.images, self.data, job.seed, self.work, self.say, self._teacher(job))
        out = self._run(job)
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
            train=self._train(job).public(),
            teacher=teacher.name if (teacher := self._teaching(job)) else None,
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
        path = self._result(job)
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
        config = self._train(job)
        shown = self.progress(job.name, config.epochs) if self.progress else nullcontext()
        with shown as progress:
            return train(images, out, config, resume=resumed, progress=progress), resumed

    def _teacher(self, job: Job) -> Path | None:
        """The run folder of the model that the cell's labels come from; None where they are the classes.

        Raises:
            ParameterError: it is not trained.
        """
        run = self._teaching(job)
        if run is not None and (not run.exists() or (run / INCOMPLETE_MARKER).exists()):
            teacher = job.cell.images.soft_labels.teacher  # type: ignore[union-attr]
            raise ParameterError(
                f"{job.name} learns from {teacher} of seed {job.seed}, which is not trained yet; "
                f"run it first: --only {teacher} --seeds {job.seed}"
            )
        return run

    def _teaching(self, job: Job) -> Path | None:
        """Where the teacher of a cell is, or will be."""
        teach = job.cell.images.soft_labels
        if teach is None:
            return None
        cell = next((c for c in cells_of(self.recipe, self.scale_name) if c.name == teach.teacher), None)
        if cell is None:
            raise ParameterError(
                f"{job.name} learns from {teach.teacher}, which the scale {self.scale_name} leaves out"
            )
        return self._run(Job(cell, job.seed))

    def _make_start(self, job: Job, folders: Folders) -> None:
        """The model that the training begins with, where it is not random weights; made anew, for it takes no time."""
        if job.cell.start is None:
            return
        train, profile = job.cell.train, sized_profile(folders.train)
        start = self._start(job)
        if start.exists():
            shutil.rmtree(start)
        make_start_model(train.model, start, profile, folders.key, model_args=train.model_args, seed=job.seed)

    def _start(self, job: Job) -> Path:
        return self.work / STARTS / job.path

    def _train(self, job: Job) -> TrainConfig:
        update: dict[str, Any] = {"seed": job.seed, "threads": self.threads}
        if job.cell.start is not None:
            update["checkpoint"] = self._start(job)
        return job.cell.train.model_copy(update=update)

    def _run(self, job: Job) -> Path:
        """The run folder; another one for other images or another training, so that no old model is taken for new."""
        train = {name: value for name, value in self._train(job).public().items() if name not in INCIDENTAL}
        for late in ("sam", "compile", "reencrypt"):
            if not train[late]:
                del train[late]  # came later: folders of trainings without it keep their names
        facts = [job.cell.images.facts(), train]
        teacher = self._teaching(job)
        if teacher is not None:
            facts.append({"teacher": teacher.name})
        if job.cell.start is not None:
            facts.append({"start": job.cell.start})
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]
        return self.work / RUNS / f"{job.path}-{digest}"

    def _result(self, job: Job) -> Path:
        return self.work / RESULTS / f"{job.path}.json"


_INTERRUPTED = "interrupted; what is finished is kept: the same command goes on"
# Its figure in another paper changes no result.
_INCIDENTAL = INCIDENTAL | {"published"}


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
