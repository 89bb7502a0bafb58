"""ConvMixers on timm's ``ConvMixer``: the other isotropic network of arXiv 2204.07707.

Names are ``convmixer_<width>_<depth>_patch<patch>_<image side>``; the kernel is 9 throughout. The paper's own code
calls 256/8 with patch 1 on CIFAR-10 ``tiny_convmixer``, 384/8 with patch 4 on Imagenette ``convmixer_384_8``, and
48/16 behind a fixed 4x4 space-to-depth rearrangement ``convmixer2``.
"""

from typing import Any

import torch
from timm.models import convmixer as timm_convmixer
from timm.models._builder import build_model_with_cfg
from timm.models._registry import generate_default_cfgs, register_model
from torch import nn
from torch.compiler import is_exporting

from blindsight.errors import IncompatibleModelError, UnknownNameError
from blindsight.nets._matrices import MAX_POSITIONS, depthwise
from blindsight.nets.invariant import INVARIANT
from blindsight.nets.position_aware import EMBEDDINGS, no_decay_names, position_aware

__all__ = [
    "ConvMixer",
    "ConvMixerS2D",
    "SpaceToDepth",
    "convmixer_48_16_s2d4_32",
    "convmixer_128_4_patch4_32",
    "convmixer_128_4_patch16_224",
    "convmixer_256_8_patch1_32",
    "convmixer_256_8_patch4_32",
    "convmixer_256_8_patch8_64",
    "convmixer_256_8_patch16_224",
    "convmixer_384_8_patch4_224",
]


class ConvMixer(timm_convmixer.ConvMixer):
    """timm's ConvMixer, with the same parameters and results, faster on CPUs where the grid is small.

    There the features are kept as (C, N, positions), on which every layer is a matrix product, a norm of rows or
    elementwise: see :mod:`blindsight.nets._matrices`.

    Args:
        dim: width.
        depth: number of blocks.
        kernel_size: of the depthwise convolutions.
        patch_size: side of the patches in pixels.
        img_size: (H, W) in pixels; needed where the embedding knows positions.
        embedding: how patches are read, see :mod:`blindsight.nets.position_aware` and
            :mod:`blindsight.nets.invariant`.
        embedding_rank: of ``low_rank``.
        embedding_temperature: of ``states``.
        kwargs: those of timm's ConvMixer.

    Raises:
        IncompatibleModelError: the embedding knows positions, and there is no size or patches do not tile it.
        UnknownNameError: an unknown embedding.
    """

    def __init__(
        self,
        dim: int,
        depth: int,
        kernel_size: int = 9,
        patch_size: int = 7,
        img_size: tuple[int, int] | None = None,
        embedding: str = "tied",
        embedding_rank: int = 8,
        embedding_temperature: float = 0.02,
        **kwargs: Any,
    ) -> None:
        super().__init__(dim, depth, kernel_size, patch_size=patch_size, **kwargs)
        if embedding == "tied":
            return
        if embedding not in (*EMBEDDINGS, *INVARIANT):
            raise UnknownNameError.of("embedding", embedding, [*EMBEDDINGS, *INVARIANT])
        if img_size is None or any(side % patch_size for side in img_size):
            raise IncompatibleModelError(
                f"embedding '{embedding}' knows positions: it needs the images' size, which patches of "
                f"{patch_size}x{patch_size} must tile; got img_size {img_size}"
            )
        self.img_size, self.patch_size = (int(img_size[0]), int(img_size[1])), patch_size
        grid = (img_size[0] // patch_size, img_size[1] // patch_size)
        self.stem[0] = position_aware(
            self.stem[0], embedding, grid, rank=embedding_rank, temperature=embedding_temperature
        )

    @torch.jit.ignore
    def no_weight_decay(self) -> set[str]:
        """Parameters that weight decay would spoil."""
        return no_decay_names(self)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        count, channels, height, width = x.shape
        positions = height * width
        # A graph for batches of every size (torch.export) cannot choose between the two forms by the size of one.
        if x.device.type != "cpu" or positions > MAX_POSITIONS or self.grad_checkpointing or is_exporting():
            return self.blocks(x)
        # Making the matrices is only worth while for batches: measured to pay from an eighth of the positions on.
        if 8 * count < positions:
            return self.blocks(x)
        x = x.flatten(2).transpose(0, 1).contiguous()
        for residual, pointwise, act, norm in self.blocks:
            conv, inner_act, inner_norm = residual.fn
            x = x + _norm(inner_act(depthwise(x, conv, height, width)), inner_norm)
            x = torch.addmm(pointwise.bias[:, None], pointwise.weight.flatten(1), x.flatten(1))
            x = _norm(act(x).view(channels, count, positions), norm)
        return x.transpose(0, 1).unflatten(2, (height, width))


def _norm(x: torch.Tensor, norm: nn.BatchNorm2d) -> torch.Tensor:
    """Batch norm of (C, N, P): to the module, one image of N x P pixels."""
    return norm(x.unsqueeze(0))[0]


class SpaceToDepth(nn.Module):
    """(N, C, H, W) -> (N, C * patch**2, H / patch, W / patch): each patch becomes the channels of one position.

    Holds no parameters, so it has to learn nothing: a fixed rearrangement. Channels are ordered (C, row, column).
    """

    def __init__(self, patch: int) -> None:
        super().__init__()
        self.patch = patch

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.pixel_unshuffle(x, self.patch)

    def extra_repr(self) -> str:
        return f"patch={self.patch}"


class ConvMixerS2D(ConvMixer):
    """ConvMixer whose patch embedding is :class:`SpaceToDepth`; its width is ``in_chans * patch_size**2``."""

    def __init__(self, depth: int, kernel_size: int = 9, patch_size: int = 4, in_chans: int = 3, **kwargs: Any) -> None:
        if kwargs.get("embedding", "tied") != "tied":
            raise IncompatibleModelError(
                f"a fixed space-to-depth step cannot be made embedding '{kwargs['embedding']}'; "
                f"choose a ConvMixer with an embedding that learns"
            )
        super().__init__(
            in_chans * patch_size**2, depth, kernel_size, patch_size=patch_size, in_chans=in_chans, **kwargs
        )
        self.patch_size = patch_size
        self.stem = SpaceToDepth(patch_size)


def _cfg(size: int, **kwargs: Any) -> dict[str, Any]:
    return {
        "num_classes": 1000,
        "input_size": (3, size, size),
        "crop_pct": 1.0,
        "interpolation": "bicubic",
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "first_conv": "stem.0",
        "classifier": "head",
        "license": "apache-2.0",
        **kwargs,
    }


default_cfgs = generate_default_cfgs(
    {
        "convmixer_48_16_s2d4_32.untrained": _cfg(32, first_conv=None),
        "convmixer_128_4_patch4_32.untrained": _cfg(32),
        "convmixer_256_8_patch1_32.untrained": _cfg(32),
        "convmixer_256_8_patch4_32.untrained": _cfg(32),
        "convmixer_256_8_patch8_64.untrained": _cfg(64),
        "convmixer_128_4_patch16_224.untrained": _cfg(224),
        "convmixer_256_8_patch16_224.untrained": _cfg(224),
        "convmixer_384_8_patch4_224.untrained": _cfg(224),
    }
)


def _create(variant: str, pretrained: bool, shape: tuple[int, int, int], kwargs: dict[str, Any]) -> ConvMixer:
    dim, depth, patch = shape
    arguments = {"dim": dim, "depth": depth, "kernel_size": 9, "patch_size": patch, **kwargs}
    model: ConvMixer = build_model_with_cfg(
        ConvMixer, variant, pretrained, feature_cfg={"out_indices": 3, "feature_cls": "getter"}, **arguments
    )
    return model


@register_model
def convmixer_128_4_patch4_32(pretrained: bool = False, **kwargs: Any) -> ConvMixer:
    """ConvMixer-128/4, patch 4: small enough for a demonstration on a CPU."""
    return _create("convmixer_128_4_patch4_32", pretrained, (128, 4, 4), kwargs)


@register_model
def convmixer_256_8_patch4_32(pretrained: bool = False, **kwargs: Any) -> ConvMixer:
    """ConvMixer-256/8, patch 4, for 32 pixels."""
    return _create("convmixer_256_8_patch4_32", pretrained, (256, 8, 4), kwargs)


@register_model
def convmixer_256_8_patch1_32(pretrained: bool = False, **kwargs: Any) -> ConvMixer:
    """ConvMixer-256/8, patch 1, for 32 pixels: ``tiny_convmixer`` of the paper's code."""
    return _create("convmixer_256_8_patch1_32", pretrained, (256, 8, 1), kwargs)


@register_model
def convmixer_256_8_patch8_64(pretrained: bool = False, **kwargs: Any) -> ConvMixer:
    """ConvMixer-256/8, patch 8, for 64 pixels."""
    return _create("convmixer_256_8_patch8_64", pretrained, (256, 8, 8), kwargs)


@register_model
def convmixer_128_4_patch16_224(pretrained: bool = False, **kwargs: Any) -> ConvMixer:
    """ConvMixer-128/4, patch 16, for 224 pixels on a CPU."""
    return _create("convmixer_128_4_patch16_224", pretrained, (128, 4, 16), kwargs)


@register_model
def convmixer_256_8_patch16_224(pretrained: bool = False, **kwargs: Any) -> ConvMixer:
    """ConvMixer-256/8, patch 16, for 224 pixels."""
    return _create("convmixer_256_8_patch16_224", pretrained, (256, 8, 16), kwargs)


@register_model
def convmixer_384_8_patch4_224(pretrained: bool = False, **kwargs: Any) -> ConvMixer:
    """ConvMixer-384/8, patch 4, for 224 pixels: the paper's model for Imagenette."""
    return _create("convmixer_384_8_patch4_224", pretrained, (384, 8, 4), kwargs)


@register_model
def convmixer_48_16_s2d4_32(pretrained: bool = False, **kwargs: Any) -> ConvMixerS2D:
    """48 wide, 16 deep behind a fixed 4x4 space-to-depth step: ``convmixer2`` of the paper's code."""
    model: ConvMixerS2D = build_model_with_cfg(
        ConvMixerS2D,
        "convmixer_48_16_s2d4_32",
        pretrained,
        feature_cfg={"out_indices": 3, "feature_cls": "getter"},
        **{"depth": 16, "kernel_size": 9, "patch_size": 4, **kwargs},
    )
    return model
