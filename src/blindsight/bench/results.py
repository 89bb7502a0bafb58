"""What a finished cell leaves behind, and reading it back: from a work folder, or from the one file of a table."""

import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from blindsight.errors import CorruptDataError, OutputError

__all__ = ["RESULTS", "Average", "Result", "averages", "gather", "read_result", "read_results", "results_text"]

#: The folder of finished cells below a work folder.
RESULTS = "results"
Share = Annotated[float, Field(ge=0, le=1)]


class Result(BaseModel):
    """One training and its measurement; JSON values only, no path, host, user name or time of day.

    Attributes:
        recipe: name of the recipe.
        scale: ``smoke``, ``cpu`` or ``full``.
        row: what the images went through, by name.
        column: what learned, by name.
        seed: of the key and of the training.
        images: the row in full.
        train: the training's recipe in full.
        teacher: which training its soft labels come from; None where it learned from classes.
        data: name, numbers of images and classes, digest of the plain data.
        top1: on the test images, 0 to 1.
        interval: Wilson's 95 % interval of ``top1``: it speaks of the test images, not of the seed.
        test_images: how many.
        chance: 1 / classes.
        wrong_keys: top-1 on test images of each of so many other keys; empty where there is no key.
        wrong_key_images: how many test images those were.
        curves: a row of numbers for each epoch, as in ``metrics.csv``.
        training: what the training said of itself: epochs, parameters, seconds, images per second, warnings.
        cpu_seconds: CPU time of the whole cell in its last sitting, images that it had to make included.
        resumed: True where the training went on after an interruption, so that ``cpu_seconds`` is not all of it.
        versions: of the software.
        machine: processor, cores, threads.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["blindsight-bench/1"] = "blindsight-bench/1"
    recipe: str
    scale: str
    row: str
    column: str
    seed: int
    images: dict[str, Any]
    train: dict[str, Any]
    teacher: str | None = None
    data: dict[str, Any]
    top1: Share
    interval: tuple[Share, Share]
    test_images: int
    chance: Share
    wrong_keys: tuple[Share, ...] = ()
    wrong_key_images: int = 0
    curves: tuple[dict[str, float], ...]
    training: dict[str, Any]
    cpu_seconds: float
    resumed: bool = False
    versions: dict[str, str]
    machine: dict[str, str | int]

    @property
    def name(self) -> str:
        return f"{self.row}/{self.column} seed {self.seed}"


class Average(BaseModel):
    """The seeds of one cell together.

    Attributes:
        results: of its seeds.
        low: the lower end of the Wilson interval of one seed, or the lowest of several.
        high: the upper end, or the highest.
    """

    model_config = ConfigDict(frozen=True)

    results: tuple[Result, ...]

    @property
    def top1(self) -> float:
        return statistics.fmean(result.top1 for result in self.results)

    @property
    def low(self) -> float:
        return min(r.top1 for r in self.results) if len(self.results) > 1 else self.results[0].interval[0]

    @property
    def high(self) -> float:
        return max(r.top1 for r in self.results) if len(self.results) > 1 else self.results[0].interval[1]

    @property
    def wrong(self) -> float | None:
        """Mean accuracy under wrong keys; None where there are none."""
        tried = [top1 for result in self.results for top1 in result.wrong_keys]
        return statistics.fmean(tried) if tried else None


def averages(results: Iterable[Result]) -> dict[tuple[str, str], Average]:
    """(row, column) -> its seeds, in the order in which the cells come."""
    found: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        found.setdefault((result.row, result.column), []).append(result)
    return {cell: Average(results=tuple(sorted(of, key=lambda r: r.seed))) for cell, of in found.items()}


def results_text(results: Iterable[Result]) -> str:
    """The one file of a table: a JSON object with a list, an entry on a line."""
    lines = ",\n".join(json.dumps(result.model_dump(mode="json"), ensure_ascii=False) for result in results)
    return f'{{"format": "blindsight-bench/1", "results": [\n{lines}\n]}}\n'


def read_result(file: Path) -> Result:
    """Reads one finished cell.

    Raises:
        CorruptDataError: it is damaged.
        OutputError: it cannot be read.
    """
    return _parse(file, _load(file))


def read_results(path: Path) -> list[Result]:
    """Reads finished cells.

    Args:
        path: a work folder of ``bench run``, or a file that ``bench table`` wrote.

    Raises:
        OutputError: there is nothing finished.
        CorruptDataError: a file is damaged; the message names it.
    """
    if path.is_dir():
        files = sorted((path / RESULTS).rglob("seed-*.json"))
        if not files:
            raise OutputError(f"{path} holds no finished cell of a bench; run some: blindsight bench run RECIPE --out")
        return [read_result(file) for file in files]
    data = _load(path)
    if not isinstance(data, dict) or not isinstance(data.get("results"), list) or not data["results"]:
        raise CorruptDataError(f"{path} holds no results of a bench; give what 'bench table' wrote, or a work folder")
    return [_parse(path, entry) for entry in data["results"]]


def gather(paths: Iterable[Path]) -> list[Result]:
    """Reads the cells of one table that were run in several places, each once.

    Args:
        paths: as for :func:`read_results`, one or more.

    Raises:
        OutputError: one has nothing finished, they belong to different tables, or two have different results of a cell.
        CorruptDataError: a file is damaged; the message names it.
    """
    found: dict[str, tuple[Path, Result]] = {}
    read = [(path, result) for path in paths for result in read_results(path)]
    origin, first = read[0]
    for path, result in read:
        for what in ("recipe", "scale", "data"):
            here, there = getattr(result, what), getattr(first, what)
            if here != there:
                raise OutputError(
                    f"{path} has {what} {here!r} and {origin} has {there!r}; make a table of each by itself"
                )
        other, known = found.setdefault(result.name, (path, result))
        if known != result:
            raise OutputError(f"{path} and {other} have different results of {result.name}; remove one of them")
    return [result for _, result in found.values()]


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise OutputError(f"cannot read {path}: {error.strerror}; give a work folder of bench run") from None
    except (ValueError, RecursionError) as error:
        raise CorruptDataError(f"{path} is not JSON ({error}); remove it, and bench run makes it again") from None


def _parse(path: Path, entry: Any) -> Result:
    try:
        return Result.model_validate(entry)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CorruptDataError(f"{path}: {where}: {first['msg']}; remove it, and bench run makes it again") from None
