"""The settings of a mixed set that the report measures: its own, and other block shapes of the same images."""

from dataclasses import dataclass

from blindsight.owner.mixing import MixOptions

__all__ = ["Setting", "block_settings"]

#: Rows and columns of blocks: what the paper's 96x48, 96x24, 48x24 and 48x6 are on 192x192 (arXiv 2105.08876).
GRIDS = ((2, 4), (2, 8), (4, 8), (4, 32))


@dataclass(frozen=True)
class Setting:
    """One way to mix the set.

    Attributes:
        block: (height, width) in pixels; None where the method has no blocks.
        blocks: N_b, blocks an image; None where it has none.
        own: whether it is the set's own.
    """

    block: tuple[int, int] | None
    blocks: int | None
    own: bool

    @property
    def name(self) -> str:
        """``96x24 (16 blocks)``, or ``as mixed``."""
        return "as mixed" if self.block is None else f"{self.block[0]}x{self.block[1]} ({self.blocks} blocks)"


def block_settings(options: MixOptions, size: tuple[int, int]) -> list[Setting]:
    """The set's own setting and, for pixel block mixing, the paper's grids where they divide the size; by N_b.

    Args:
        options: of the set.
        size: (height, width) of its images.
    """
    if options.method != "pbm":
        return [Setting(None, None, own=True)]
    height, width = size
    shapes = {(height // rows, width // cols) for rows, cols in GRIDS if height % rows == 0 and width % cols == 0}
    return sorted(
        (
            Setting(block, (height // block[0]) * (width // block[1]), block == options.block)
            for block in {*shapes, options.block}
        ),
        key=lambda setting: (setting.blocks or 0, setting.block or ()),
    )
