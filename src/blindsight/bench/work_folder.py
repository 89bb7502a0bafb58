"""The work folder of a bench: whose it is, where the parts of a job lie, and what of it is done already."""

import hashlib
import json
from pathlib import Path
from typing import Any

from blindsight.bench.cells import Job, cells_of
from blindsight.bench.data import BenchData
from blindsight.bench.recipe import Recipe
from blindsight.bench.results import RESULTS, Result, read_result
from blindsight.bench.row import Images
from blindsight.errors import OutputError, ParameterError
from blindsight.nets.runs import write_atomic
from blindsight.provider.recipe import INCIDENTAL, TrainConfig

__all__ = ["WorkFolder"]

RUNS, STARTS = "runs", "starts"
# Its figure in another paper changes no result.
_INCIDENTAL = INCIDENTAL | {"published"}


class WorkFolder:
    """``keys``, ``images``, ``starts``, ``runs`` and ``results`` of one recipe at one scale on one data set.

    Args:
        path: made where it is missing.
        recipe: whose cells.
        scale_name: at which scale.
        data: the plain images.
        threads: of torch, for trainings; None is its own choice.

    Raises:
        OutputError: the folder belongs to another recipe, scale or data set.
    """

    def __init__(self, path: Path, recipe: Recipe, scale_name: str, data: BenchData, threads: int | None) -> None:
        self.path, self._recipe, self._scale_name, self._threads = path, recipe, scale_name, threads
        path.mkdir(parents=True, exist_ok=True)
        marker = path / "bench.json"
        mine = {"recipe": recipe.name, "scale": scale_name, "data": data.as_json()}
        if marker.exists():
            theirs = json.loads(marker.read_bytes())
            for name, value in mine.items():
                if theirs.get(name) != value:
                    raise OutputError(
                        f"{path} was begun with {name} {theirs.get(name)!r}, and this is {value!r}; "
                        f"choose another folder with --out"
                    )
        else:
            write_atomic(marker, json.dumps(mine, indent=2) + "\n")

    def finished(self, job: Job) -> Result | None:
        """The result of a job that was done before.

        Raises:
            OutputError: it was made by another recipe.
            CorruptDataError: it is damaged.
        """
        path = self.result(job)
        if not path.exists():
            return None
        result = read_result(path)
        teacher = self.teacher(job)
        if teacher is not None and result.teacher != teacher.name:
            raise OutputError(
                f"{job.name} was taught by another training of its teacher than the recipe now gives; "
                f"remove {path.relative_to(self.path)}, or choose another folder with --out"
            )
        for what, then, now in (
            # A result of an earlier version lacks what came later: the defaults, which are what was so then.
            (
                "images",
                Images.model_validate(result.images).model_dump(mode="json"),
                job.cell.images.model_dump(mode="json"),
            ),
            ("train", TrainConfig.make(result.train).public(), self.training(job).public()),
        ):
            for name in {*then, *now} - _INCIDENTAL:
                if then.get(name) != now.get(name):
                    raise OutputError(
                        f"{job.name} was done with {what} {name} {then.get(name)!r}, and the recipe now says "
                        f"{now.get(name)!r}; remove {path.relative_to(self.path)}, "
                        f"or choose another folder with --out"
                    )
        return result

    def teacher(self, job: Job) -> Path | None:
        """The run folder of the model that the labels come from, trained or not; None where they are the classes.

        Raises:
            ParameterError: the scale leaves the teacher's cell out.
        """
        teach = job.cell.images.soft_labels
        if teach is None:
            return None
        cell = next((c for c in cells_of(self._recipe, self._scale_name) if c.name == teach.teacher), None)
        if cell is None:
            raise ParameterError(
                f"{job.name} learns from {teach.teacher}, which the scale {self._scale_name} leaves out"
            )
        return self.run(Job(cell, job.seed))

    def start(self, job: Job) -> Path:
        """The folder of the model that the training begins with, where it does not begin with random weights."""
        return self.path / STARTS / job.path

    def training(self, job: Job) -> TrainConfig:
        """How the model learns, the job's seed included."""
        update: dict[str, Any] = {"seed": job.seed, "threads": self._threads}
        if job.cell.start is not None:
            update["checkpoint"] = self.start(job)
        return job.cell.train.model_copy(update=update)

    def run(self, job: Job) -> Path:
        """The run folder; another one for other images or another training, so that no old model is taken for new."""
        train = {name: value for name, value in self.training(job).public().items() if name not in INCIDENTAL}
        for late in ("sam", "compile", "reencrypt"):
            if not train[late]:
                del train[late]  # came later: folders of trainings without it keep their names
        facts = [job.cell.images.facts(), train]
        teacher = self.teacher(job)
        if teacher is not None:
            facts.append({"teacher": teacher.name})
        if job.cell.start is not None:
            facts.append({"start": job.cell.start})
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]
        return self.path / RUNS / f"{job.path}-{digest}"

    def result(self, job: Job) -> Path:
        """The file of the result, there once the job is done."""
        return self.path / RESULTS / f"{job.path}.json"
