"""What the pages of reports have in common: their look, pictures inside the file, numbers as people read them."""

import base64
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from blindsight.audit.mixing_verdict import percent
from blindsight.images import encode_image
from blindsight.profile import Codec

__all__ = ["SMALL", "picture_uri", "render", "svg_uri"]

#: Smaller pictures are shown pixel by pixel, and losslessly.
SMALL = 96


def render(template: str, **values: object) -> str:
    """A page as HTML.

    Args:
        template: file name, beside this module.
        values: what the template speaks of; ``style`` is given besides.
    """
    here = Path(__file__).parent
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "typeset": _typeset,
        "percent": percent,
        "number": _number,
        "tile": _tile,
        "pace": _pace,
        "shown": _shown,
    }
    style = Markup((here / "_page.css").read_text(encoding="utf-8"))  # our own file
    text = (here / template).read_text(encoding="utf-8")
    return environment.from_string(text).render(style=style, **values)


def picture_uri(pixels: NDArray[np.uint8]) -> str:
    """An image as a data URI: PNG where it is small, else JPEG."""
    lossless = min(pixels.shape[:2]) < SMALL
    codec = Codec(format="png") if lossless else Codec(format="jpeg", quality=90)
    data = base64.b64encode(encode_image(pixels, codec)).decode()
    return f"data:image/{codec.format};base64,{data}"


def svg_uri(svg: str) -> str:
    """A figure as a data URI."""
    # As a picture of its own: figures inline in one page would share ids.
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _number(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:.{digits}f}"  # adding zero takes the sign off minus zero


def _tile(share: float) -> str:
    """A share for a tile, with one decimal in all of them; never rounded up to all or down to none."""
    if 0 < share < 0.0005 or 0.9995 <= share < 1:
        return "<\u00a00.1\u00a0%" if share < 0.5 else ">\u00a099.9\u00a0%"
    return f"{100 * share:.1f}\u00a0%"


def _pace(ratio: float) -> str:
    """A share of a speed. Doing more work is never faster, so what is above 100 % is the noise of the machine."""
    return "as fast, within noise" if ratio > 1 else _tile(ratio)


def _shown(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _typeset(text: str) -> str:
    """Keeps a number and its per cent sign on one line."""
    return text.replace(" %", "\u00a0%")
