"""A recipe that takes a second, and results with numbers that are easy to check."""

from pathlib import Path
from typing import Any

from blindsight.bench.results import Result

TINY = """
about: a tiny comparison
data: digits
train: {model: vit_micro_patch4_32, model_args: {depth: 1, embed_dim: 32, num_heads: 2},
        epochs: 2, batch_size: 16, holdout: 0.0, precision: 32-true}
rows:
  plain: {published: plain}
  etc:   {scheme: etc, block: 4, published: etc}
  pbm:   {mix: {block: 16x8, sources: 2}}
columns:
  vit:  {published: none}
  wide: {train: {model_args: {depth: 1, embed_dim: 64, num_heads: 2}}, rows: [plain, etc]}
order: ["etc/vit"]
scales:
  smoke:
    limit: {train: 40, test: 20}
    images: {size: 32}
    wrong_keys: 2
    wrong_key_images: 10
    seeds: {"plain/*": 2}
"""


def write_recipe(folder: Path, text: str = TINY, name: str = "tiny") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def result(row: str, column: str, top1: float, seed: int = 1, **more: Any) -> Result:
    """A finished cell of paper1-cifar10 whose interval is two points to each side."""
    values: dict[str, Any] = {
        "recipe": "paper1-cifar10",
        "scale": "cpu",
        "row": row,
        "column": column,
        "seed": seed,
        "images": {},
        "train": {"model": "some_model"},
        "data": {"name": "cifar10", "train_images": 50_000, "test_images": 10_000, "classes": 10, "digest": "d"},
        "top1": top1,
        "interval": (top1 - 0.02, top1 + 0.02),
        "test_images": 10_000,
        "chance": 0.1,
        "curves": ({"epoch": 1, "train_loss": 2.0}, {"epoch": 2, "train_loss": 1.0}),
        "training": {"epochs": 2},
        "cpu_seconds": 90.0,
        "versions": {"blindsight": "0.1.0", "torch": "2"},
        "machine": {"processor": "P", "cores": 2},
    }
    return Result.model_validate(values | more)
