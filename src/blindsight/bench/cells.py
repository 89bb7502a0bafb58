"""The cells of a recipe at a scale: what each one is made of, in which order, and what keeps it from being run."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from blindsight.bench.recipe import SCALES, Patch, Recipe, Scale
from blindsight.bench.row import Images
from blindsight.errors import MissingDependencyError, ParameterError, UnknownNameError
from blindsight.provider.recipe import TrainConfig

__all__ = ["Cell", "Job", "cells_of", "plan", "scale_of", "why_not"]


@dataclass(frozen=True)
class Cell:
    """One row in one column.

    Attributes:
        row: its name.
        column: its name.
        images: what the images go through.
        train: how the model learns; its seed is that of a :class:`Job`.
        seeds: how many seeds the recipe asks for.
        start: what the training begins with, see :class:`blindsight.bench.recipe.Column`; None is random weights.
    """

    row: str
    column: str
    images: Images
    train: TrainConfig
    seeds: int
    start: str | None = None

    @property
    def name(self) -> str:
        return f"{self.row}/{self.column}"


@dataclass(frozen=True)
class Job:
    """A cell and a seed: one training."""

    cell: Cell
    seed: int

    @property
    def name(self) -> str:
        return f"{self.cell.name} seed {self.seed}"

    @property
    def path(self) -> str:
        """Where it lies below the folder of all results or runs."""
        return f"{self.cell.row}/{self.cell.column}/seed-{self.seed}"


def scale_of(recipe: Recipe, name: str) -> Scale:
    """The scale of a recipe.

    Raises:
        UnknownNameError: there is no such scale, or the recipe has none of that name.
    """
    for scale, found in recipe.scales.items():
        if scale == name:
            return found
    if name in SCALES:
        raise UnknownNameError(f"recipe {recipe.name} has no scale '{name}'; it has {', '.join(recipe.scales)}")
    raise UnknownNameError.of("scale", name, list(recipe.scales))


def cells_of(recipe: Recipe, scale_name: str) -> list[Cell]:
    """The cells of a scale in the recipe's order of priority.

    Raises:
        UnknownNameError: as for :func:`scale_of`.
        ParameterError: the training fields of a cell do not go together; the message names the cell.
    """
    scale = scale_of(recipe, scale_name)
    found = []
    for row in recipe.rows:
        for column, learns in recipe.columns.items():
            name = f"{row}/{column}"
            for_row = learns.rows is None or any(fnmatchcase(row, pattern) for pattern in learns.rows)
            if for_row and not any(fnmatchcase(name, pattern) for pattern in scale.skip):
                found.append(_cell(recipe, scale, row, column))
    return sorted(found, key=lambda cell: _place(cell.name, recipe.order))  # stable: else as they stand


def _place(name: str, order: tuple[str, ...]) -> int:
    return next((k for k, pattern in enumerate(order) if fnmatchcase(name, pattern)), len(order))


def _cell(recipe: Recipe, scale: Scale, row: str, column: str) -> Cell:
    name, learns = f"{row}/{column}", recipe.columns[column]
    patches: list[Patch] = [recipe, learns, scale]
    patches += [scale.columns[column]] if column in scale.columns else []
    special = [patch for pattern, patch in scale.cells.items() if fnmatchcase(name, pattern)]
    at_scale = [scale.rows[row]] if row in scale.rows else []
    # What a row says of itself is more special than what all rows share; what a column says of images, more than that.
    images = recipe.images.over(scale.images, recipe.rows[row], *at_scale)
    images = images.over(learns.images, *(p.images for p in (*patches[3:], *special)))
    values: dict[str, Any] = TrainConfig.read(learns.recipe) if learns.recipe else {}
    for patch in (*patches, *special):
        values |= patch.train
    try:
        train = TrainConfig.make(values)
    except ParameterError as error:
        raise ParameterError(f"recipe {recipe.name}, cell {name}: {error}") from None
    seeds = next((count for pattern, count in scale.seeds.items() if fnmatchcase(name, pattern)), 1)
    return Cell(row, column, images, train, seeds, learns.start if images.scheme else None)


def plan(cells: Iterable[Cell], *, only: Iterable[str] = (), seeds: int | None = None) -> list[Job]:
    """What to run, in order: every cell with its first seed, then with its second, and so on.

    Args:
        cells: of a recipe, in order.
        only: patterns ROW/COLUMN; empty is all cells.
        seeds: seeds of every cell, numbered from 1; None is what the recipe says.

    Raises:
        UnknownNameError: a pattern that no cell fits.
    """
    cells, only = list(cells), list(only)
    for pattern in only:
        if not any(fnmatchcase(cell.name, pattern) for cell in cells):
            raise UnknownNameError.of("cell", pattern, [cell.name for cell in cells])
    chosen = [cell for cell in cells if not only or any(fnmatchcase(cell.name, pattern) for pattern in only)]
    count = {cell.name: seeds or cell.seeds for cell in chosen}
    last = max(count.values(), default=0)
    return [Job(cell, seed) for seed in range(1, last + 1) for cell in chosen if seed <= count[cell.name]]


def why_not(cell: Cell) -> str | None:
    """What of a cell is not there, in words; None where it can be run. Imports timm.

    Raises:
        MissingDependencyError: the provider's side is not installed.
    """
    from blindsight.owner.augmentation import RECIPES
    from blindsight.owner.ciphers import list_ciphers
    from blindsight.owner.mixing import METHODS

    try:
        from timm.models import is_model
    except ImportError:
        raise MissingDependencyError.of("timm", "provider", "the bench") from None
    from blindsight.nets import factory  # noqa: F401  (registers the presets)

    images = cell.images
    wanted = [
        ("scheme", images.scheme, images.scheme is None or images.scheme in list_ciphers()),
        ("mixing method", images.mix and images.mix.method, images.mix is None or images.mix.method in METHODS),
        ("augmentation", images.augment, images.augment is None or images.augment in RECIPES),
        ("model", cell.train.model, is_model(cell.train.model.split(".")[0])),
    ]
    missing = [f"{what} '{name}'" for what, name, there in wanted if not there]
    return f"not here: {' and '.join(missing)}" if missing else None
