"""ConvMixers with an adaptive permutation matrix behind the patch embedding.

Qi, MaungMaung & Kiya, "Privacy-Preserving Image Classification Using ConvMixer with Adaptive Permutation Matrix"
(EUSIPCO 2022, arXiv 2208.02556; J. Imaging 9(4):85): where block scrambling has moved the patches, a learnable matrix
can move their embeddings back before convolutions look at neighbours. No adaptation network is needed.

Names are those of the ConvMixers in :mod:`blindsight.nets.convmixer`, with ``_apm`` behind them.
"""

from typing import Any

import torch
from timm.models._builder import build_model_with_cfg
from timm.models._registry import generate_default_cfgs, register_model
from torch import Tensor, nn

from blindsight.errors import IncompatibleModelError
from blindsight.nets._sub_networks import PseudoPermutation
from blindsight.nets.convmixer import ConvMixer

__all__ = [
    "PermutedConvMixer",
    "convmixer_128_4_patch4_32_apm",
    "convmixer_256_8_patch4_32_apm",
    "convmixer_256_8_patch16_224_apm",
]


def _cfg(size: int) -> dict[str, Any]:
    return {
        "num_classes": 1000,
        "input_size": (3, size, size),
        # The matrix has a row and a column for each patch.
        "fixed_input_size": True,
        "crop_pct": 1.0,
        "interpolation": "bicubic",
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "first_conv": "stem.0",
        "classifier": "head",
        "license": "apache-2.0",
    }


default_cfgs = generate_default_cfgs(
    {
        "convmixer_128_4_patch4_32_apm.untrained": _cfg(32),
        "convmixer_256_8_patch4_32_apm.untrained": _cfg(32),
        "convmixer_256_8_patch16_224_apm.untrained": _cfg(224),
    }
)


class _OnGrid(nn.Module):
    """The matrix on a grid of patches: (N, C, rows, columns) -> the same shape."""

    def __init__(self, permutation: PseudoPermutation) -> None:
        super().__init__()
        self.permutation = permutation

    def forward(self, x: Tensor) -> Tensor:
        moved: Tensor = self.permutation(x.flatten(2)).view(x.shape)
        return moved


class PermutedConvMixer(ConvMixer):
    """ConvMixer for images of one size, whose stem ends in a :class:`PseudoPermutation`.

    The matrix begins as the identity, so the network begins as the ConvMixer without it.

    Args:
        dim: width.
        depth: number of blocks.
        img_size: (H, W) in pixels.
        patch_size: side of the patches; should be that of the encrypted blocks.
        permutation_weight: of the penalty that draws the matrix towards a permutation, in the loss.
        kwargs: those of ConvMixer.

    Raises:
        IncompatibleModelError: patches do not tile the image.
    """

    def __init__(
        self,
        dim: int,
        depth: int,
        img_size: tuple[int, int] = (32, 32),
        patch_size: int = 4,
        permutation_weight: float = 0.001,
        **kwargs: Any,
    ) -> None:
        height, width = (int(side) for side in img_size)
        if height % patch_size or width % patch_size:
            raise IncompatibleModelError(
                f"patches of {patch_size}x{patch_size} do not tile images of {height}x{width}; "
                f"choose a patch_size that divides both sides: that of the encrypted images"
            )
        super().__init__(dim, depth, patch_size=patch_size, img_size=(height, width), **kwargs)
        self.img_size = (height, width)
        patches = (height // patch_size) * (width // patch_size)
        self.stem.append(_OnGrid(PseudoPermutation(patches, permutation_weight, identity=True)))

    @torch.jit.ignore
    def no_weight_decay(self) -> set[str]:
        """The matrix: decay would draw it away from a permutation."""
        return {f"stem.{len(self.stem) - 1}.permutation.weight", *super().no_weight_decay()}


def _create(variant: str, pretrained: bool, shape: dict[str, int], kwargs: dict[str, Any]) -> PermutedConvMixer:
    arguments = {"kernel_size": 9, **shape, **kwargs}
    model: PermutedConvMixer = build_model_with_cfg(PermutedConvMixer, variant, pretrained, **arguments)
    return model


@register_model
def convmixer_128_4_patch4_32_apm(pretrained: bool = False, **kwargs: Any) -> PermutedConvMixer:
    """ConvMixer-128/4, patch 4, with the matrix: small enough for a CPU."""
    return _create("convmixer_128_4_patch4_32_apm", pretrained, {"dim": 128, "depth": 4, "patch_size": 4}, kwargs)


@register_model
def convmixer_256_8_patch4_32_apm(pretrained: bool = False, **kwargs: Any) -> PermutedConvMixer:
    """ConvMixer-256/8, patch 4, with the matrix, for 32 pixels."""
    return _create("convmixer_256_8_patch4_32_apm", pretrained, {"dim": 256, "depth": 8, "patch_size": 4}, kwargs)


@register_model
def convmixer_256_8_patch16_224_apm(pretrained: bool = False, **kwargs: Any) -> PermutedConvMixer:
    """ConvMixer-256/8, patch 16, with the matrix, for 224 pixels."""
    return _create("convmixer_256_8_patch16_224_apm", pretrained, {"dim": 256, "depth": 8, "patch_size": 16}, kwargs)
