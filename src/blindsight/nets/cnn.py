"""Small convolutional networks of four families: ResNet, VGG, Inception and DenseNet.

They stand in for the four networks that the mixing paper trains (Xiang et al., arXiv 2105.08876: ResNet50, VGG16,
InceptionV3, DenseNet121) where a training has minutes and a processor: narrower and shallower, made for faces of 64 to
96 pixels, and good for any image of at least 32. Encrypted blocks are not for them: their first layers see across
block borders.
"""

from functools import partial
from typing import Any

import torch
from timm.layers import ClassifierHead, ConvNormAct
from timm.models._builder import build_model_with_cfg
from timm.models._registry import generate_default_cfgs, register_model
from timm.models.densenet import DenseNet
from timm.models.resnet import BasicBlock, ResNet
from timm.models.vgg import VGG, ConvMlp
from torch import nn

__all__ = ["Inception", "SmallVGG", "densenet_micro", "inception_micro", "resnet_micro", "vgg_micro"]


def _cfg(first_conv: str, classifier: str) -> dict[str, Any]:
    return {
        "num_classes": 1000,
        "input_size": (3, 64, 64),
        "crop_pct": 1.0,
        "interpolation": "bicubic",
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "first_conv": first_conv,
        "classifier": classifier,
        "license": "apache-2.0",
    }


default_cfgs = generate_default_cfgs(
    {
        "resnet_micro.untrained": _cfg("conv1.0", "fc"),
        "vgg_micro.untrained": _cfg("features.0", "head.fc"),
        "inception_micro.untrained": _cfg("stem.0.conv", "head.fc"),
        "densenet_micro.untrained": _cfg("features.conv0", "classifier"),
    }
)

_conv = partial(ConvNormAct, norm_layer=nn.BatchNorm2d, act_layer=nn.ReLU)


class SmallVGG(VGG):
    """timm's ``VGG`` with a small classifier: 256 wide, and for the 2x2 positions that 64 pixels leave, not 7x7."""

    def __init__(self, cfg: list[Any], num_classes: int = 1000, drop_rate: float = 0.0, **kwargs: Any) -> None:
        # The least of timm's own classifier, whose 4,096 features are fixed, is made and thrown away.
        super().__init__(cfg, num_classes, drop_rate=drop_rate, mlp_ratio=1 / 4096, **kwargs)
        self.pre_logits = ConvMlp(self.num_features, 256, kernel_size=2, drop_rate=drop_rate)
        self.head = ClassifierHead(256, num_classes, pool_type=kwargs.get("global_pool", "avg"), drop_rate=drop_rate)
        self.head_hidden_size = 256
        self._initialize_weights()


class _Mixed(nn.Module):
    """Branches side by side, their channels in a row: what every module of an Inception network is."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def _square(chs: int, width: int) -> _Mixed:
    """1x1, 3x3, two 3x3 in place of a 5x5, and a pool (figure 5 of the paper): 4 * width channels out."""
    pool = nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), _conv(chs, width, 1))
    three = nn.Sequential(_conv(chs, width, 1), _conv(width, width, 3))
    five = nn.Sequential(_conv(chs, width, 1), _conv(width, width, 3), _conv(width, width, 3))
    return _Mixed(_conv(chs, width, 1), three, five, pool)


def _factored(chs: int, width: int) -> _Mixed:
    """1x1, a 7x7 as 1x7 and 7x1, and a pool (figure 6 of the paper): 3 * width channels out."""
    pool = nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), _conv(chs, width, 1))
    seven = nn.Sequential(_conv(chs, width, 1), _conv(width, width, (1, 7)), _conv(width, width, (7, 1)))
    return _Mixed(_conv(chs, width, 1), seven, pool)


def _reduction(chs: int, width: int) -> _Mixed:
    """Half the grid by a convolution, by two, and by a pool (figure 10 of the paper): 2 * width + chs channels out."""
    two = nn.Sequential(_conv(chs, width, 1), _conv(width, width, 3), _conv(width, width, 3, stride=2))
    return _Mixed(_conv(chs, width, 3, stride=2), two, nn.MaxPool2d(3, 2, 1))


class Inception(nn.Module):
    """A small Inception-v3: its three kinds of modules, once or twice each.

    Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (CVPR 2016, arXiv 1512.00567). There is
    no auxiliary classifier, and padding keeps the grid, so that images of 32 pixels pass.

    Args:
        num_classes: outputs; 0 gives the pooled features.
        in_chans: channels of the images.
        width: of the branches in the first stage; the second has twice, the third four times as many.
        global_pool: timm's name of the pooling before the classifier.
        drop_rate: dropout before the classifier.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_chans: int = 3,
        width: int = 12,
        global_pool: str = "avg",
        drop_rate: float = 0.0,
    ) -> None:
        super().__init__()
        w, self.num_classes = width, num_classes
        self.stem = nn.Sequential(
            _conv(in_chans, w, 3, stride=2), _conv(w, w, 3), _conv(w, 2 * w, 3), nn.MaxPool2d(3, 2, 1)
        )
        self.stages = nn.Sequential(
            nn.Sequential(_square(2 * w, w), _square(4 * w, w), _reduction(4 * w, 2 * w)),
            nn.Sequential(_factored(8 * w, 2 * w), _factored(6 * w, 2 * w), _reduction(6 * w, 3 * w)),
            nn.Sequential(_square(12 * w, 4 * w)),
        )
        self.num_features = self.head_hidden_size = 16 * w
        self.head = ClassifierHead(self.num_features, num_classes, pool_type=global_pool, drop_rate=drop_rate)

    def get_classifier(self) -> nn.Module:
        classifier: nn.Module = self.head.fc
        return classifier

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        self.num_classes = num_classes
        self.head.reset(num_classes, global_pool)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.stages(self.stem(x))
        return features

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        logits: torch.Tensor = self.head(x, pre_logits=pre_logits)
        return logits

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.forward_head(self.forward_features(x))


@register_model
def resnet_micro(pretrained: bool = False, **kwargs: Any) -> ResNet:
    """ResNet-18 at a quarter of its width, with three 3x3 convolutions for a stem: 0.70 M parameters."""
    shape = {"layers": (2, 2, 2, 2), "channels": (16, 32, 64, 128), "stem_type": "deep", "stem_width": 8}
    model: ResNet = build_model_with_cfg(ResNet, "resnet_micro", pretrained, **{"block": BasicBlock, **shape, **kwargs})
    return model


@register_model
def vgg_micro(pretrained: bool = False, **kwargs: Any) -> SmallVGG:
    """VGG-16 at an eighth of its width, without batch norm as the original."""
    layers = [8, 8, "M", 16, 16, "M", 32, 32, 32, "M", 64, 64, 64, "M", 64, 64, 64, "M"]
    model: SmallVGG = build_model_with_cfg(SmallVGG, "vgg_micro", pretrained, model_cfg=layers, **kwargs)
    return model


@register_model
def inception_micro(pretrained: bool = False, **kwargs: Any) -> Inception:
    """Five Inception-v3 modules and two reductions."""
    model: Inception = build_model_with_cfg(Inception, "inception_micro", pretrained, **kwargs)
    return model


@register_model
def densenet_micro(pretrained: bool = False, **kwargs: Any) -> DenseNet:
    """DenseNet-121 at half its depth, with a growth rate of 12."""
    shape = {"growth_rate": 12, "block_config": (3, 6, 12, 8)}
    model: DenseNet = build_model_with_cfg(DenseNet, "densenet_micro", pretrained, **{**shape, **kwargs})
    return model
