"""One picture, under every scheme, side by side: what the owner sees and what the provider would."""

from math import lcm

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from blindsight.errors import ImageError, ParameterError
from blindsight.images import fit_image
from blindsight.owner.ciphers import create_cipher, list_ciphers
from blindsight.owner.ciphers.registry import cipher_entry
from blindsight.owner.keys import SecretKey

__all__ = ["preview"]

PANEL = 360
MARGIN = 14
CAPTION = 30


def preview(
    pixels: NDArray[np.uint8], key: SecretKey, *, block_size: int | None = None, schemes: list[str] | None = None
) -> NDArray[np.uint8]:
    """Draws a plain image beside its protected versions.

    Args:
        pixels: uint8 (H, W, C), a plain image.
        key: the owner's key.
        block_size: side M of the blocks in pixels; None for each scheme's own.
        schemes: registered schemes; None for all.

    Returns:
        uint8 (height, width, 3): panels with captions.

    Raises:
        ParameterError: a block size that no scheme can take.
        UnknownNameError: no such scheme.
    """
    names = list_ciphers() if schemes is None else schemes
    sides = [block_size if block_size is not None else cipher_entry(name).block_size for name in names]
    whole = lcm(*sides)  # one picture for all schemes, made of whole blocks under each
    if whole > 4 * PANEL:
        raise ParameterError(f"block size {whole} is larger than a preview; choose at most {4 * PANEL}")
    longest = max(pixels.shape[:2])
    if longest > 4 * PANEL:  # a preview is looked at, not kept: a large photograph is shrunk first
        scale = 4 * PANEL / longest
        size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
        pixels = np.asarray(_picture(pixels).resize(size, Image.Resampling.BICUBIC)).reshape(size[1], size[0], -1)
    try:
        plain = fit_image(pixels, block_size=whole, size=None, fit="crop")
    except ImageError:
        plain = fit_image(pixels, block_size=whole, size=None, fit="pad")
    height, width, channels = plain.shape
    panels = [("plain", plain)]
    for name, side in zip(names, sides, strict=True):
        table = create_cipher(name, side, channels).compile(key, height, width)
        panels.append((f"{name}, blocks of {side}", table.apply(plain)))
    return _sheet(panels)


def _picture(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])


def _sheet(panels: list[tuple[str, NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """Panels in rows of three, each with its caption above it."""
    height, width = panels[0][1].shape[:2]
    scale = PANEL / max(height, width)
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    sheet = Image.new("RGB", (MARGIN + columns * (wide + MARGIN), MARGIN + rows * (high + CAPTION + MARGIN)), "#ffffff")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=16)
    for i, (caption, image) in enumerate(panels):
        x = MARGIN + (i % columns) * (wide + MARGIN)
        y = MARGIN + (i // columns) * (high + CAPTION + MARGIN)
        draw.text((x, y), caption, fill="#222222", font=font)
        # Enlarging by nearest neighbour shows the pixels that a model would get.
        method = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX
        sheet.paste(_picture(image).convert("RGB").resize((wide, high), method), (x, y + CAPTION - 4))
    return np.asarray(sheet)
