"""A cipher: a named list of steps at one block size, compiled under a key to one signed permutation a geometry."""

from collections.abc import Sequence

from blindsight.algebra import BlockGrid, SignedPermutation
from blindsight.errors import ParameterError
from blindsight.owner.ciphers.steps import Step
from blindsight.owner.keys import SecretKey
from blindsight.profile import Scalar

__all__ = ["Cipher"]


class Cipher:
    """A perceptual cipher without its key.

    Args:
        scheme: its name in the registry and in key paths.
        steps: applied first to last.
        block_size: side M of the blocks in pixels.
        channels: 3 (RGB) or 1 (grayscale).
        parameters: the public parameters that chose the steps, as the profile records them.

    Raises:
        ParameterError: no steps, two steps of one name (they would share a key), a block size below 1, or channels
            other than 1 or 3.
    """

    def __init__(
        self,
        scheme: str,
        steps: Sequence[Step],
        block_size: int,
        channels: int = 3,
        parameters: dict[str, Scalar] | None = None,
    ) -> None:
        names = [step.name for step in steps]
        if not names or len(set(names)) != len(names):
            raise ParameterError(f"scheme '{scheme}' needs steps of distinct names, got {names}")
        if block_size < 1:
            raise ParameterError(f"block size must be at least 1 pixel, got {block_size}")
        if channels not in (1, 3):
            raise ParameterError(f"channels must be 1 (grayscale) or 3 (RGB), got {channels}")
        self.scheme = scheme
        self.steps = tuple(steps)
        self.block_size = block_size
        self.channels = channels
        self.parameters = dict(parameters or {})

    @property
    def jpeg_safe(self) -> bool:
        """Whether the protected image still compresses like a photograph."""
        return all(step.jpeg_safe for step in self.steps)

    def compile(self, key: SecretKey, height: int, width: int, *scope: str) -> SignedPermutation:
        """The signed permutation of (height, width, channels) images under a key.

        Args:
            key: the owner's secret key.
            height: image height in pixels, a multiple of the block size.
            width: image width in pixels, a multiple of the block size.
            scope: further key path elements: none for scope ``dataset``, an image id or ``pool:k`` otherwise.

        Raises:
            ParameterError: a size that is not a multiple of the block size.
        """
        grid = BlockGrid(height, width, self.channels, self.block_size)
        product: SignedPermutation | None = None
        for step in self.steps:
            stream = key.stream(self.scheme, step.name, self._geometry(step, grid), *scope)
            compiled = step.compile(stream, grid)
            product = compiled if product is None else compiled @ product
        assert product is not None  # __init__ refuses an empty list
        return product

    @staticmethod
    def _geometry(step: Step, grid: BlockGrid) -> str:
        """The geometry in the key path; spec/ciphers.md fixes it."""
        inside = f"block={grid.block},channels={grid.channels}"
        return inside if step.shared else f"grid={grid.rows}x{grid.cols},{inside}"

    def __repr__(self) -> str:
        return f"Cipher({self.scheme!r}, block_size={self.block_size}, channels={self.channels})"
