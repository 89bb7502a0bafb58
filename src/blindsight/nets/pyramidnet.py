"""PyramidNets with ShakeDrop: the backbone behind the adaptation networks of the compared methods.

Han, Kim & Kim, "Deep Pyramidal Residual Networks" (CVPR 2017, arXiv 1610.02915): the width grows a little with every
residual block (section 3.1, additive), blocks have no ReLU before their first convolution and a batch norm after their
last (section 3.3, figure 6d), and shortcuts have no parameters (zeros in the new channels, section 3.2). With
:class:`~blindsight.nets.shakedrop.ShakeDrop` on the branches, depth 110 and alpha 270, this is the network of Madono
et al. (AAAI-WS 2020, arXiv 2001.07761), which the comparisons of MaungMaung & Kiya (arXiv 2204.07707) quote.
"""

from typing import Any

import torch
from timm.layers import ClassifierHead
from timm.models._builder import build_model_with_cfg
from timm.models._registry import generate_default_cfgs, register_model
from torch import nn
from torch.nn import functional as F

from blindsight.errors import ParameterError
from blindsight.nets.shakedrop import ShakeDrop

__all__ = [
    "PyramidBlock",
    "PyramidNet",
    "pyramidnet110_a270_shakedrop",
    "pyramidnet_micro_shakedrop",
    "pyramidnet_small_shakedrop",
]


def _cfg() -> dict[str, Any]:
    return {
        "num_classes": 1000,
        "input_size": (3, 32, 32),
        "crop_pct": 1.0,
        "interpolation": "bicubic",
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "first_conv": "stem.0",
        "classifier": "head.fc",
        "license": "apache-2.0",
    }


default_cfgs = generate_default_cfgs(
    {
        "pyramidnet110_a270_shakedrop.untrained": _cfg(),
        "pyramidnet_micro_shakedrop.untrained": _cfg(),
        "pyramidnet_small_shakedrop.untrained": _cfg(),
    }
)


def _conv(in_chs: int, out_chs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_chs, out_chs, 3, stride=stride, padding=1, bias=False)


class PyramidBlock(nn.Module):
    """A basic pyramidal residual block: (N, in_chs, H, W) -> (N, out_chs, H / stride, W / stride), rounded up.

    Args:
        in_chs: channels in.
        out_chs: channels out, at least as many; the shortcut has zeros in the new ones.
        stride: 1, or 2 to halve the grid; the shortcut is then averaged over 2x2.
        shake: probability that ShakeDrop disturbs the branch.
    """

    def __init__(self, in_chs: int, out_chs: int, stride: int, shake: float) -> None:
        super().__init__()
        self.grow = out_chs - in_chs
        self.branch = nn.Sequential(
            nn.BatchNorm2d(in_chs),
            _conv(in_chs, out_chs, stride),
            nn.BatchNorm2d(out_chs),
            nn.ReLU(inplace=True),
            _conv(out_chs, out_chs),
            nn.BatchNorm2d(out_chs),
        )
        self.shake = ShakeDrop(shake) if shake else nn.Identity()
        self.shortcut = nn.AvgPool2d(2, ceil_mode=True) if stride == 2 else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = F.pad(self.shortcut(x), (0, 0, 0, 0, 0, self.grow))
        return shortcut + self.shake(self.branch(x))


class PyramidNet(nn.Module):
    """An additive PyramidNet of basic blocks in three stages, for images of about 32 pixels.

    Args:
        num_classes: outputs; 0 gives the pooled features.
        in_chans: channels of the images.
        depth: layers with weights, 6 n + 2: n blocks of two convolutions a stage.
        alpha: by how much the width grows from the first block to the last, in equal steps.
        width: of the first convolution.
        shake: probability that ShakeDrop disturbs the last block; it rises to there linearly. 0 is a PyramidNet
            without ShakeDrop.
        global_pool: timm's name of the pooling before the classifier.
        drop_rate: dropout before the classifier.

    Raises:
        ParameterError: the depth is not 6 n + 2, or ``shake`` is not a probability.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_chans: int = 3,
        depth: int = 110,
        alpha: int = 270,
        width: int = 16,
        shake: float = 0.5,
        global_pool: str = "avg",
        drop_rate: float = 0.0,
    ) -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise ParameterError(f"depth is {depth}; a PyramidNet of basic blocks has 8, 14, 20, ... (6 n + 2) layers")
        if not 0 <= shake <= 1:
            raise ParameterError(f"shake is {shake}; it is the probability to disturb the last block, 0 to 1")
        self.num_classes = num_classes
        each = (depth - 2) // 6
        blocks = 3 * each
        widths = [width + round(alpha * k / blocks) for k in range(blocks + 1)]
        self.stem = nn.Sequential(_conv(in_chans, width), nn.BatchNorm2d(width))
        self.stages = nn.Sequential(
            *[
                nn.Sequential(
                    *[
                        PyramidBlock(
                            widths[k], widths[k + 1], 2 if stage and k == stage * each else 1, shake * (k + 1) / blocks
                        )
                        for k in range(stage * each, (stage + 1) * each)
                    ]
                )
                for stage in range(3)
            ]
        )
        self.num_features = self.head_hidden_size = widths[-1]
        self.norm = nn.Sequential(nn.BatchNorm2d(self.num_features), nn.ReLU(inplace=True))
        self.head = ClassifierHead(self.num_features, num_classes, pool_type=global_pool, drop_rate=drop_rate)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def get_classifier(self) -> nn.Module:
        classifier: nn.Module = self.head.fc
        return classifier

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        self.num_classes = num_classes
        self.head.reset(num_classes, global_pool)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.norm(self.stages(self.stem(x)))
        return features

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        logits: torch.Tensor = self.head(x, pre_logits=pre_logits)
        return logits

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.forward_head(self.forward_features(x))


def _create(variant: str, pretrained: bool, shape: dict[str, int], kwargs: dict[str, Any]) -> PyramidNet:
    model: PyramidNet = build_model_with_cfg(PyramidNet, variant, pretrained, **{**shape, **kwargs})
    return model


@register_model
def pyramidnet110_a270_shakedrop(pretrained: bool = False, **kwargs: Any) -> PyramidNet:
    """PyramidNet-110, alpha 270, with ShakeDrop: 28.5 M parameters; the papers' backbone, for a GPU."""
    return _create("pyramidnet110_a270_shakedrop", pretrained, {"depth": 110, "alpha": 270}, kwargs)


@register_model
def pyramidnet_small_shakedrop(pretrained: bool = False, **kwargs: Any) -> PyramidNet:
    """PyramidNet-38, alpha 84, with ShakeDrop."""
    return _create("pyramidnet_small_shakedrop", pretrained, {"depth": 38, "alpha": 84}, kwargs)


@register_model
def pyramidnet_micro_shakedrop(pretrained: bool = False, **kwargs: Any) -> PyramidNet:
    """PyramidNet-20, alpha 48, with ShakeDrop: trains on a CPU."""
    return _create("pyramidnet_micro_shakedrop", pretrained, {"depth": 20, "alpha": 48}, kwargs)
