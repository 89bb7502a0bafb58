"""A recipe: a table of rows (what images go through) and columns (what learns from them), at up to three scales.

Recipes are YAML files, read by :func:`load_recipe` into the models below and of :mod:`blindsight.bench.row`, which
refuse unknown fields. What a scale says is laid over what the recipe says, field by field;
:mod:`blindsight.bench.cells` does that.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from blindsight.bench.row import Images, Positive, Strict
from blindsight.errors import MissingDependencyError, ParameterError, UnknownNameError

__all__ = [
    "SCALES",
    "Column",
    "Gap",
    "Limit",
    "Patch",
    "Recipe",
    "Scale",
    "load_recipe",
    "recipe_names",
]

SCALES = ("smoke", "cpu", "full")
_HERE = Path(__file__).parent / "recipes"

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._+-]*$")]


class Patch(Strict):
    """Changes: fields of the images, and of the training (:class:`blindsight.provider.recipe.TrainConfig`)."""

    images: Images = Images()
    train: dict[str, Any] = Field(default_factory=dict)


class Column(Patch):
    """What learns.

    Attributes:
        recipe: a named training recipe that ``train`` is laid over.
        rows: patterns of the rows that the column is for; None is all of them.
        start: ``states`` begins on encrypted images with a model that knows how blocks are turned
            (:mod:`blindsight.owner.start_model`), and on plain images as ever.
        asks: what the method asks of whom, a few words for the table of gaps.
        published: the name of this column in :mod:`blindsight.bench.published`.
    """

    recipe: str | None = None
    rows: tuple[str, ...] | None = None
    asks: str = ""
    start: Literal["states"] | None = None
    published: str | None = None


class Gap(Strict):
    """A question of a recipe: what do methods lose against plain images? See :mod:`blindsight.bench.gap`.

    Attributes:
        plain: the cell ROW/COLUMN that nothing is lost in.
        base: the cell of the same recipe on protected images; its row is that of the methods.
        columns: patterns of the methods.
    """

    plain: str
    base: str
    columns: tuple[str, ...]


class Limit(Strict):
    """Keep only so many images of a split, the same number of every class as far as they go."""

    train: Positive | None = None
    test: Positive | None = None


class Scale(Patch):
    """What a scale says instead of the recipe, or besides.

    Attributes:
        about: how large, for people.
        not_run: why nobody has run it yet; such a scale is shipped and can be run.
        data: the data set.
        limit: keep only so many images.
        seeds: pattern ROW/COLUMN -> how many seeds; 1 where none fits. The first that fits counts.
        wrong_keys: how many other keys to try each model with, on at most ``wrong_key_images`` test images.
        rows: changes to rows, by name.
        columns: changes to columns, by name.
        cells: changes to cells, by pattern ROW/COLUMN.
        skip: patterns ROW/COLUMN that this scale leaves out.
    """

    about: str = ""
    not_run: str | None = None
    data: str | None = None
    limit: Limit = Limit()
    seeds: dict[str, Positive] = Field(default_factory=dict)
    wrong_keys: Annotated[int, Field(ge=0)] = 5
    wrong_key_images: Positive = 2000
    rows: dict[str, Images] = Field(default_factory=dict)
    columns: dict[str, Patch] = Field(default_factory=dict)
    cells: dict[str, Patch] = Field(default_factory=dict)
    skip: tuple[str, ...] = ()


class Recipe(Patch):
    """A whole comparison.

    Attributes:
        name: the file's.
        about: one line.
        data: a torchvision name, or words for what must be given with ``--data``.
        bring: True where the data has no name that can be opened and must be given.
        notes: what a reader of the table has to know, one sentence or two each.
        gaps: what methods lose against plain images, for a table and a figure of its own.
        order: patterns ROW/COLUMN in the order in which cells are run; those that none fits come last.
        rows: name -> images.
        columns: name -> what learns.
        scales: ``smoke``, ``cpu``, ``full`` -> what changes there.
    """

    name: str
    about: str
    data: str
    bring: bool = False
    notes: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()
    order: tuple[str, ...] = ()
    rows: dict[Name, Images]
    columns: dict[Name, Column]
    scales: dict[Literal["smoke", "cpu", "full"], Scale]

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        for what, kind, name, known in self._named():
            if not any(fnmatchcase(one, name) for one in known):
                raise ValueError(f"{what} names the {kind} '{name}', and no {kind} is called or fits that")
        return self

    def _named(self) -> Iterator[tuple[str, str, str, list[str]]]:
        """Every name or pattern used anywhere: where, of what kind, which, and the names that there are."""
        rows, columns = list(self.rows), list(self.columns)
        cells = [f"{row}/{column}" for row in rows for column in columns]
        yield from (("order", "cell", pattern, cells) for pattern in self.order)
        for gap in self.gaps:
            yield from (("gaps", "cell", cell, cells) for cell in (gap.plain, gap.base))
            yield from (("gaps", "column", pattern, columns) for pattern in gap.columns)
        for images in self._all_images():
            if images.soft_labels:
                yield "soft_labels", "cell", images.soft_labels.teacher, cells
        for column in self.columns.values():
            yield from (("a column's rows", "row", pattern, rows) for pattern in column.rows or ())
        for name, scale in self.scales.items():
            yield from ((f"scale {name}", "row", row, rows) for row in scale.rows)
            yield from ((f"scale {name}", "column", column, columns) for column in scale.columns)
            for patterns in (scale.cells, scale.seeds, scale.skip):
                yield from ((f"scale {name}", "cell", pattern, cells) for pattern in patterns)

    def _all_images(self) -> Iterator[Images]:
        yield from (self.images, *self.rows.values(), *(column.images for column in self.columns.values()))
        for scale in self.scales.values():
            yield from (scale.images, *scale.rows.values())
            yield from (patch.images for patch in (*scale.columns.values(), *scale.cells.values()))


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package, sorted."""
    return sorted(path.stem for path in _HERE.glob("*.yaml"))


def load_recipe(name: str | Path) -> Recipe:
    """Reads a recipe.

    Args:
        name: one of :func:`recipe_names`, or a ``.yaml`` file.

    Raises:
        UnknownNameError: no recipe of that name.
        ParameterError: the file cannot be read, is no YAML, or has a field that is unknown or out of range.
        MissingDependencyError: PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError:
        raise MissingDependencyError.of("pyyaml", "provider", "the bench") from None
    path = Path(name) if Path(name).suffix in (".yaml", ".yml") else _HERE / f"{name}.yaml"
    if not path.is_file():
        raise UnknownNameError.of("recipe", str(name), recipe_names())
    try:
        data = yaml.safe_load(path.read_bytes())
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(f"cannot read the recipe {path}: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise ParameterError(f"the recipe {path} is not a mapping of fields such as about, data, rows, columns, scales")
    try:
        return Recipe.model_validate({"name": path.stem, **data})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        given = "" if isinstance(first["input"], dict) else f" (got {first['input']!r})"
        raise ParameterError(f"recipe {path.stem}: {where + ': ' if where else ''}{first['msg']}{given}") from None
