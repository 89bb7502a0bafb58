"""The demo's page: what the owner sees, what the provider sees, and what the models made of it."""

import base64
import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blindsight.errors import MissingDependencyError
from blindsight.images import encode_image
from blindsight.owner.exposure import IMAGES_TO_BREAK
from blindsight.owner.keys import SecretKey
from blindsight.profile import Codec, Profile

if TYPE_CHECKING:
    from blindsight.demo.journey import Row

__all__ = ["write_page"]

TEMPLATE = Path(__file__).with_name("page.html.j2")
WIDTH, HEIGHT = 300, 150


def write_page(
    folder: Path, rows: "list[Row]", profile: Profile, panels: dict[str, NDArray[np.uint8]], key: SecretKey
) -> Path:
    """Writes ``index.html``, one file with everything in it.

    Args:
        folder: the demo's folder, with its runs.
        rows: the table.
        profile: of the protected digits.
        panels: pictures, uint8 (H, W, 3).
        key: only its id is shown.

    Returns:
        The page's path.

    Raises:
        MissingDependencyError: jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError:
        raise MissingDependencyError.of("jinja2", "all", "the demo's page") from None
    from blindsight.demo.pictures import PHOTO_CREDIT

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        rows=rows,
        profile=profile,
        key_id=key.id,
        restored=np.array_equal(panels["photo_owner"], panels["photo_back"]),
        pictures={name: _data_uri(picture) for name, picture in panels.items()},
        curves=[_curve(folder, row.model) for row in rows],
        to_break=IMAGES_TO_BREAK["etc"],
        credit=PHOTO_CREDIT,
        width=WIDTH,
        height=HEIGHT,
    )
    path = folder / "index.html"
    path.write_text(page, encoding="utf-8")
    return path


def _data_uri(picture: NDArray[np.uint8]) -> str:
    return "data:image/png;base64," + base64.b64encode(encode_image(picture, Codec(format="png"))).decode()


def _curve(folder: Path, model: str) -> dict[str, Any]:
    """Training losses of a model's two runs as SVG points."""
    losses = {}
    for kind in ("plain", "protected"):
        with (folder / "runs" / f"{model.lower()}-{kind}" / "metrics.csv").open(newline="") as file:
            losses[kind] = [float(row["train_loss"]) for row in csv.DictReader(file)]
    top = max(max(values) for values in losses.values())
    lines = {
        kind: " ".join(
            f"{i / max(1, len(values) - 1) * WIDTH:.1f},{HEIGHT - value / top * HEIGHT:.1f}"
            for i, value in enumerate(values)
        )
        for kind, values in losses.items()
    }
    return {"model": model, "top": top, "epochs": len(losses["plain"]), "lines": lines}
