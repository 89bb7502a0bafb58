"""Named recipes: ``blindsight train DATA --recipe NAME``. One JSON file each, beside this module.

A file holds ``about`` (one line for people) and ``config`` (fields of ``blindsight.provider.recipe.TrainConfig``).
Importing this brings neither torch nor pydantic: the command line lists the names in its help.
"""

from pathlib import Path

__all__ = ["recipe_file", "recipe_names"]

_HERE = Path(__file__).parent


def recipe_names() -> list[str]:
    """The names, sorted."""
    return sorted(path.stem for path in _HERE.glob("*.json"))


def recipe_file(name: str) -> Path | None:
    """The file of a named recipe; None where there is no such name."""
    return _HERE / f"{name}.json" if name in recipe_names() else None
