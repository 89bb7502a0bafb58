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

from blindsight.errors import IncompatibleModelError, ParameterError
from blindsight.nets.adapters import BlockAdaptation, ELEAdaptation, ThinBlockAdaptation

__all__ = [
    "AdaptedNet",
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
    """Tanaka's network for LE, one key for every block: :class:`~blindsight.nets.adapters.BlockAdaptation`."""
    return _create("le_adaptnet", pretrained, BlockAdaptation, **kwargs)


@register_model
def le_adaptnet_madono(pretrained: bool = False, **kwargs: Any) -> AdaptedNet:
    """What the published comparisons call LE-AdaptNet: :class:`~blindsight.nets.adapters.ThinBlockAdaptation`."""
    return _create("le_adaptnet_madono", pretrained, ThinBlockAdaptation, **kwargs)


@register_model
def ele_adaptnet(pretrained: bool = False, **kwargs: Any) -> AdaptedNet:
    """Madono's network for ELE, a key for every block and scrambled blocks: see :mod:`blindsight.nets.adapters`."""
    return _create("ele_adaptnet", pretrained, ELEAdaptation, **kwargs)


@register_model
def pe_adaptnet(pretrained: bool = False, **kwargs: Any) -> AdaptedNet:
    """1x1 convolutions for PE: :class:`~blindsight.nets.adapters.BlockAdaptation` on blocks of one pixel, 64 wide.

    Sirichotedumrong, Kinoshita & Kiya (IEEE Access 2019; arXiv 1905.01827). That the kernels are 1x1 is the papers';
    how many there are and how wide is ours.
    """
    return _create("pe_adaptnet", pretrained, BlockAdaptation, **{"block_size": 1, "hidden": 64, **kwargs})
