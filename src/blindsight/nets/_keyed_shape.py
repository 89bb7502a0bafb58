"""How large the tables of a keyed patch embedding are, as model arguments say it. Needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from blindsight.errors import CorruptDataError, ParameterError

__all__ = ["KeyedShape", "require_tables"]


@dataclass(frozen=True)
class KeyedShape:
    """The model arguments ``keyed_variants``, ``keyed_rows``, ``keyed_cols`` and ``keyed_bias``.

    They stand among the ``model_args`` of a run's ``config.json`` and of a training's recipe, so that whoever makes
    the model again makes it with the tables that its weights file fills.

    Attributes:
        variants: different in-patch permutations, 1 to ``rows * cols``.
        rows: rows of the patch grid.
        cols: columns of the patch grid.
        bias: True where the embedding has a bias that the architecture does not give it.
    """

    variants: int
    rows: int
    cols: int
    bias: bool = False

    def __post_init__(self) -> None:
        sizes = (self.variants, self.rows, self.cols)
        if any(type(n) is not int or n < 1 for n in sizes) or type(self.bias) is not bool:
            raise ParameterError(f"a keyed embedding needs whole numbers of 1 or more, got {self.arguments()}")
        if self.variants > self.rows * self.cols:
            raise ParameterError(
                f"a keyed embedding of {self.rows}x{self.cols} positions has at most {self.rows * self.cols} "
                f"variants, got {self.variants}"
            )

    @classmethod
    def of(cls, arguments: dict[str, Any]) -> Self | None:
        """What model arguments say of it; None where they say nothing.

        Raises:
            ParameterError: some are missing, or a value is out of range.
        """
        found = {name.removeprefix("keyed_"): value for name, value in arguments.items() if name.startswith("keyed_")}
        if not found:
            return None
        try:
            return cls(**found)
        except TypeError:
            raise ParameterError(
                f"a keyed embedding needs keyed_variants, keyed_rows and keyed_cols, got {', '.join(sorted(found))}"
            ) from None

    def arguments(self) -> dict[str, int | bool]:
        """The model arguments, JSON values."""
        sizes = {"keyed_variants": self.variants, "keyed_rows": self.rows, "keyed_cols": self.cols}
        return {**sizes, "keyed_bias": True} if self.bias else dict(sizes)


def require_tables(shape: KeyedShape | None, weights: Mapping[str, Any], path: Path) -> None:
    """Sees that a file of weights has tables of the sizes that its configuration states, before any are made.

    Args:
        shape: what the configuration says; None where it says nothing.
        weights: name -> tensor.
        path: the file, for the message.

    Raises:
        CorruptDataError: it has none, or of another size.
    """
    if shape is None:
        return
    for name, count in (("position_variant", shape.rows * shape.cols), ("variant_index", shape.variants)):
        found = [len(table) for key, table in weights.items() if key.rpartition(".")[2] == name and table.ndim]
        if found != [count]:
            raise CorruptDataError(
                f"{path} does not hold the keyed embedding that its config.json describes ({name} of {count}, "
                f"found {found or 'none'}); restore it"
            )
