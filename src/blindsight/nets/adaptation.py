"""Adaptation networks: what the compared methods put in front of a classifier so that it can read encrypted blocks.

An adaptation network turns a protected image (N, C, H, W) into features (N, F, H, W) of the same size, which any timm
model, the backbone, then takes for an image of F channels. Both are trained together. Each is a model of its own in
timm's registry; the argument ``backbone`` names the model behind it:

    create_model("le_adaptnet", num_classes=10, img_size=(32, 32), backbone="resnet18", block_size=4)

Further arguments go to the backbone. docs/adaptation.md tells them apart, says how each relates to its paper, and how
to train them.
"""

import inspect
from functools import partial
from typing import Any

import torch
from timm.models._builder import build_model_with_cfg
from timm.models._registry import generate_default_cfgs, register_model
from torch import Tensor, nn
from torch.nn import functional as F

from blindsight.errors import IncompatibleModelError, ParameterError
from blindsight.nets._sub_networks import PseudoPermutation, SubNetworks
from blindsight.nets.regularisation import smoothness

__all__ = [
    "AdaptedNet",
    "BlockAdaptation",
    "ELEAdaptation",
    "ThinBlockAdaptation",
    "ele_adaptnet",
    "le_adaptnet",
    "le_adaptnet_madono",
    "pe_adaptnet",
]

BACKBONE = "pyramidnet110_a270_shakedrop"


def _cfg() -> dict[str, Any]:
    return {
        "num_classes": 1000,
        "input_size": (3, 32, 32),
        # The backbone, or the number of blocks, may be of one size only.
        "fixed_input_size": True,
        "crop_pct": 1.0,
        "interpolation": "bicubic",
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "first_conv": None,
        "classifier": None,
        "license": "apache-2.0",
    }


default_cfgs = generate_default_cfgs(
    {
        "ele_adaptnet.untrained": _cfg(),
        "le_adaptnet.untrained": _cfg(),
        "le_adaptnet_madono.untrained": _cfg(),
        "pe_adaptnet.untrained": _cfg(),
    }
)


class BlockAdaptation(nn.Sequential):
    """One sub-network, of three convolutions, for all blocks: (N, C, H, W) -> (N, features, H, W).

    Tanaka, "Learnable Image Encryption" (ICCE-TW 2018, arXiv 1804.00490), layer by layer as in the author's program:
    batch norm, a convolution as large as the block, ReLU, batch norm, 1x1 convolution, ReLU, batch norm, 1x1
    convolution, pixel shuffle.

    Args:
        in_chans: C.
        grid: (H, W) in blocks; any will do.
        block_size: side of the blocks, in pixels.
        features: channels out.
        hidden: width of the two layers between; 0 is as many as a block has samples.
    """

    def __init__(
        self, in_chans: int, grid: tuple[int, int], block_size: int, features: int = 32, hidden: int = 0
    ) -> None:
        del grid
        hidden = hidden or in_chans * block_size**2
        super().__init__(
            nn.BatchNorm2d(in_chans),
            nn.Conv2d(in_chans, hidden, block_size, stride=block_size),
            nn.ReLU(inplace=True),
            nn.BatchNorm2d(hidden),
            nn.Conv2d(hidden, hidden, 1),
            nn.ReLU(inplace=True),
            nn.BatchNorm2d(hidden),
            nn.Conv2d(hidden, features * block_size**2, 1),
            nn.PixelShuffle(block_size),
        )
        _initialise(self)
        self.features = features


class ThinBlockAdaptation(nn.Sequential):
    """One sub-network, of one convolution, for all blocks: (N, C, H, W) -> (N, features, H, W).

    What Madono et al. (arXiv 2001.07761) call LE-AdaptNet: a convolution as large as the block, batch norm,
    LeakyReLU(0.1), pixel shuffle. Their program normalises block by block in training; this one takes the statistics
    of all blocks together, which is what it uses after training.

    Args: as for :class:`BlockAdaptation`.
    """

    def __init__(self, in_chans: int, grid: tuple[int, int], block_size: int, features: int = 16) -> None:
        del grid
        width = features * block_size**2
        super().__init__(
            nn.Conv2d(in_chans, width, block_size, stride=block_size, bias=False),
            nn.BatchNorm2d(width),
            nn.LeakyReLU(0.1),
            nn.PixelShuffle(block_size),
        )
        _initialise(self)
        self.features = features


class ELEAdaptation(nn.Module):
    """Another sub-network for every block, and a matrix that brings the blocks back into order.

    (N, C, H, W) -> (N, features, H, W). Madono et al., "Block-wise Scrambled Image Recognition Using Adaptation
    Network" (AAAI-WS 2020, arXiv 2001.07761): :class:`SubNetworks`, then :class:`PseudoPermutation`, then a pixel
    shuffle. It adds to the loss (equation 5) ``permutation_weight`` times the penalty of the matrix (equation 7), and
    ``smoothness_weight`` times that of the features (equation 8).

    Parameters grow with the image and with the block: for 224 pixels and blocks of 16 there are 617 million.

    Args:
        in_chans: C.
        grid: (H, W) in blocks.
        block_size: side of the blocks, in pixels.
        features: channels out.
        permutation_weight: see above.
        smoothness_weight: see above.
        smooth_channels: how many of the channels out are to be smooth: 3 in the authors' program, all in equation 8.
    """

    def __init__(
        self,
        in_chans: int,
        grid: tuple[int, int],
        block_size: int,
        features: int = 16,
        permutation_weight: float = 0.001,
        smoothness_weight: float = 0.1,
        smooth_channels: int = 3,
    ) -> None:
        super().__init__()
        self.grid, self.block_size, self.features = grid, block_size, features
        self.smoothness_weight, self.smooth_channels = smoothness_weight, smooth_channels
        blocks = grid[0] * grid[1]
        self.blocks = SubNetworks(in_chans, block_size, blocks, features * block_size**2)
        self.permutation = PseudoPermutation(blocks, permutation_weight)
        self._penalty: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        ordered = self.permutation(self.blocks(x).transpose(1, 2)).unflatten(2, self.grid)
        features = F.pixel_shuffle(ordered, self.block_size)
        if self.training:
            self._penalty = self.smoothness_weight * smoothness(features, self.smooth_channels)
        return features

    def regularisation(self) -> Tensor:
        """The penalty of the features of the last training pass; 0 where it was asked for already."""
        penalty, self._penalty = self._penalty, None
        return self.permutation.weight.new_zeros(()) if penalty is None else penalty

    def __getstate__(self) -> dict[str, Any]:
        # A penalty nobody asked for hangs on the pass it came from, and cannot be copied.
        return {**self.__dict__, "_penalty": None}


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class AdaptedNet(nn.Module):
    """An adaptation network and its backbone: (N, C, H, W) -> (N, num_classes).

    Args:
        adaptation: class of the adaptation network.
        num_classes: outputs.
        in_chans: C.
        img_size: (H, W) in pixels.
        block_size: side of the encrypted blocks, in pixels.
        backbone: any timm name.
        arguments: those of the adaptation network, by its own names; the rest go to the backbone.

    Raises:
        IncompatibleModelError: the blocks, or the backbone's patches, do not tile the image.
        ParameterError: a size is not positive, or the backbone cannot be made.
        UnknownNameError: timm has no model of the backbone's name.
    """

    def __init__(
        self,
        adaptation: Any,
        num_classes: int = 1000,
        in_chans: int = 3,
        img_size: tuple[int, int] = (32, 32),
        block_size: int = 4,
        backbone: str = BACKBONE,
        **arguments: Any,
    ) -> None:
        # The factory knows this module.
        from blindsight.nets.factory import create_model, patch_size

        super().__init__()
        height, width = (int(side) for side in img_size)
        own = {name: arguments.pop(name) for name in inspect.signature(adaptation).parameters if name in arguments}
        for name, value in {"block_size": block_size, **own}.items():
            if value < 0 or (value < 1 and name in ("block_size", "features")):
                raise ParameterError(f"{name} is {value}; give a larger number")
        if height % block_size or width % block_size:
            raise IncompatibleModelError(
                f"blocks of {block_size}x{block_size} do not tile images of {height}x{width}; "
                f"choose a block_size that divides both sides: that of the encrypted images"
            )
        self.img_size, self.patch_size = (height, width), block_size
        grid = (height // block_size, width // block_size)
        self.adaptation = adaptation(in_chans, grid, block_size, **own)
        self.backbone = create_model(
            backbone,
            num_classes=num_classes,
            in_chans=self.adaptation.features,
            img_size=self.img_size,
            **arguments,
        )
        patch = patch_size(self.backbone)
        if patch is not None and (height % patch[0] or width % patch[1]):
            raise IncompatibleModelError(
                f"the backbone {backbone} cuts patches of {patch[0]}x{patch[1]}, which do not tile images of "
                f"{height}x{width}; choose another backbone"
            )
        self.num_classes = num_classes
        self.num_features: int = self.backbone.num_features
        self.head_hidden_size: int = getattr(self.backbone, "head_hidden_size", self.num_features)

    def get_classifier(self) -> nn.Module:
        classifier: nn.Module = self.backbone.get_classifier()
        return classifier

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        self.num_classes = num_classes
        self.backbone.reset_classifier(num_classes, *([] if global_pool is None else [global_pool]))

    def forward_features(self, x: Tensor) -> Tensor:
        features: Tensor = self.backbone.forward_features(self.adaptation(x))
        return features

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        logits: Tensor = self.backbone.forward_head(x, pre_logits=pre_logits)
        return logits

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.backbone(self.adaptation(x))
        return logits

    @torch.jit.ignore
    def no_weight_decay(self) -> set[str]:
        """Names that the backbone excepts, as timm's optimisers ask for them."""
        names: set[str] = getattr(self.backbone, "no_weight_decay", set)()
        return {f"backbone.{name}" for name in names}


def _create(variant: str, pretrained: bool, adaptation: Any, **kwargs: Any) -> AdaptedNet:
    model: AdaptedNet = build_model_with_cfg(partial(AdaptedNet, adaptation), variant, pretrained, **kwargs)
    head = getattr(model.backbone, "pretrained_cfg", {}).get("classifier")
    model.pretrained_cfg["classifier"] = f"backbone.{head}" if isinstance(head, str) else None
    return model


@register_model
def le_adaptnet(pretrained: bool = False, **kwargs: Any) -> AdaptedNet:
    """Tanaka's network for LE, one key for every block: :class:`BlockAdaptation`."""
    return _create("le_adaptnet", pretrained, BlockAdaptation, **kwargs)


@register_model
def le_adaptnet_madono(pretrained: bool = False, **kwargs: Any) -> AdaptedNet:
    """What the published comparisons call LE-AdaptNet: :class:`ThinBlockAdaptation`."""
    return _create("le_adaptnet_madono", pretrained, ThinBlockAdaptation, **kwargs)


@register_model
def ele_adaptnet(pretrained: bool = False, **kwargs: Any) -> AdaptedNet:
    """Madono's network for ELE, a key for every block and scrambled blocks: :class:`ELEAdaptation`."""
    return _create("ele_adaptnet", pretrained, ELEAdaptation, **kwargs)


@register_model
def pe_adaptnet(pretrained: bool = False, **kwargs: Any) -> AdaptedNet:
    """1x1 convolutions for PE: :class:`BlockAdaptation` on blocks of one pixel, 64 wide.

    Sirichotedumrong, Kinoshita & Kiya (IEEE Access 2019; arXiv 1905.01827). That the kernels are 1x1 is the papers';
    how many there are and how wide is ours.
    """
    return _create("pe_adaptnet", pretrained, BlockAdaptation, **{"block_size": 1, "hidden": 64, **kwargs})
