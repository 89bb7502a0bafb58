"""A recipe: a table of rows (what images go through) and columns (what learns from them), at up to three scales.

Recipes are YAML files, read by :func:`load_recipe` into the models below, which refuse unknown fields. What a scale
says is laid over what the recipe says, field by field; :mod:`blindsight.bench.cells` does that.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from blindsight.errors import MissingDependencyError, ParameterError, UnknownNameError
from blindsight.profile import Codec, Scalar

__all__ = [
    "SCALES",
    "Column",
    "Gap",
    "Images",
    "Limit",
    "Mix",
    "Patch",
    "Recipe",
    "Scale",
    "Teach",
    "load_recipe",
    "recipe_names",
]

SCALES = ("smoke", "cpu", "full")
_HERE = Path(__file__).parent / "recipes"

Positive = Annotated[int, Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._+-]*$")]


def _codec(text: Any) -> Any:
    """``png``, or ``jpeg QUALITY SUBSAMPLING`` such as ``jpeg 80 4:4:4``."""
    if not isinstance(text, str):
        return text
    words = text.split()
    if words[:1] == ["jpeg"] and len(words) == 3 and words[1].isdigit():
        return {"format": "jpeg", "quality": int(words[1]), "subsampling": words[2]}
    if len(words) == 1:
        return {"format": words[0]}
    raise ValueError(f"a codec is png, webp, or jpeg QUALITY SUBSAMPLING such as jpeg 80 4:4:4; got {text!r}")


def _sides(text: Any) -> Any:
    """``96x24`` -> (96, 24)."""
    parts = text.split("x") if isinstance(text, str) else text
    if isinstance(parts, list) and len(parts) == 2 and all(str(part).isdigit() for part in parts):
        return tuple(int(part) for part in parts)
    raise ValueError(f"a block is HEIGHTxWIDTH in pixels such as 96x24; got {text!r}")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Mix(_Strict):
    """Mixing; fields as in :class:`blindsight.owner.mixing.MixOptions`. ``sources``: None is the method's default."""

    method: str = "pbm"
    block: Annotated[tuple[Positive, Positive], BeforeValidator(_sides)] = (96, 24)
    sources: Positive | None = None
    probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    partners: Literal["same", "any"] | None = None


class Teach(_Strict):
    """Labels from a model of plain images, see :mod:`blindsight.owner.soft_labels`.

    Attributes:
        teacher: the cell ROW/COLUMN whose model of the same seed it is; it has to be trained first.
        temperature: above 1 flattens its answers.
        share: of the teacher in a label; the image's class is the rest.
    """

    teacher: str
    temperature: Annotated[float, Field(gt=0)] = 2.0
    share: Annotated[float, Field(ge=0, le=1)] = 0.5


class Images(_Strict):
    """What the images of a row go through before anybody learns from them.

    Attributes:
        scheme: a registered cipher; None is plain, or mixed where ``mix`` is given.
        parameters: of the scheme.
        block: side of its blocks in pixels.
        key_scope: ``dataset``, ``image`` or ``pool:K``.
        reductions: what is taken out before the cipher, see :mod:`blindsight.owner.reductions`.
        gray: without colour, under a cipher.
        mix: mixing instead of a cipher, and then tests are on plain images; or, of the training images, before it.
        augment: recipe of :mod:`blindsight.owner.augmentation`, applied to the mixed or plain training images.
        codec: ``png``, or ``jpeg QUALITY SUBSAMPLING``.
        allow_lossy: JPEG where it damages what can be revealed, as with 4x4 blocks.
        size: side in pixels that every image is brought to; None keeps the data's.
        views: copies of each training image, augmented by the owner before encryption.
        soft_labels: what a teacher of the owner's says of the protected training images.
        published: the name of this row in :mod:`blindsight.bench.published`.
    """

    scheme: str | None = None
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    block: Positive = 16
    key_scope: Annotated[str, Field(pattern=r"^(dataset|image|pool:[1-9][0-9]{0,8})$")] = "dataset"
    reductions: tuple[str, ...] = ()
    gray: bool = False
    mix: Mix | None = None
    augment: str | None = None
    codec: Annotated[Codec, BeforeValidator(_codec)] = Codec()
    allow_lossy: bool = False
    size: Positive | None = None
    views: Positive = 1
    soft_labels: Teach | None = None
    published: str | None = None

    def facts(self) -> dict[str, Any]:
        """All that the images depend on, JSON. What came later and is off is left out: digests stay as they were."""
        late = {name for name in ("soft_labels", "reductions", "gray") if not getattr(self, name)}
        return self.model_dump(mode="json", exclude={"published"} | late)

    def over(self, *patches: Self) -> Self:
        """These, with the fields that the patches state."""
        stated = {field: getattr(patch, field) for patch in patches for field in patch.model_fields_set}
        return self.model_copy(update=stated)

    @property
    def kind(self) -> Literal["plain", "cipher", "mix"]:
        return "cipher" if self.scheme else "mix" if self.mix else "plain"

    def summary(self) -> str:
        """One line for people."""
        parts: list[str] = [self.kind]
        if self.scheme:
            parts = [self.scheme, f"{self.block}x{self.block}"]
            parts += [f"{k}={v}" for k, v in sorted(self.parameters.items())]
            parts += [f"key per {self.key_scope}"] if self.key_scope != "dataset" else []
            parts += list(self.reductions) + (["gray"] if self.gray else [])
        if self.mix:
            parts = (
                (parts if self.scheme else [])
                + [self.mix.method]
                + (["{}x{}".format(*self.mix.block)] if self.mix.method == "pbm" else [])
            )
        parts += [f"augmented ({self.augment})"] if self.augment else []
        if not self.codec.lossless:
            parts.append(f"JPEG Q{self.codec.quality} {self.codec.subsampling}")
        parts += [f"at {self.size}"] if self.size else []
        parts += [f"{self.views} views"] if self.views > 1 else []
        parts += [f"labels of {self.soft_labels.teacher}"] if self.soft_labels else []
        return ", ".join(parts)


class Patch(_Strict):
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


class Gap(_Strict):
    """A question of a recipe: what do methods lose against plain images? See :mod:`blindsight.bench.gap`.

    Attributes:
        plain: the cell ROW/COLUMN that nothing is lost in.
        base: the cell of the same recipe on protected images; its row is that of the methods.
        columns: patterns of the methods.
    """

    plain: str
    base: str
    columns: tuple[str, ...]


class Limit(_Strict):
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
