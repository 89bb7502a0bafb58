"""Where a model first looks at its image, found by timm's convention ``pretrained_cfg["first_conv"]``."""

from typing import Any

from torch import Tensor, nn

from blindsight.errors import IncompatibleModelError
from blindsight.nets.keyed_embedding import KeyedConv2d, KeyedShape

__all__ = ["attach_keyed", "first_layer", "patch_embedding", "relative_change"]


def first_layer(model: nn.Module) -> tuple[str, nn.Module] | None:
    """Name and module of the layer that takes the image; None where the model names none, or several."""
    name = (getattr(model, "pretrained_cfg", None) or {}).get("first_conv")
    if not isinstance(name, str):
        return None
    try:
        return name, model.get_submodule(name)
    except AttributeError:
        return None


def patch_embedding(model: nn.Module) -> tuple[str, nn.Conv2d]:
    """Name and module of a first layer that sees each patch of the image once, and one patch at a time.

    Raises:
        IncompatibleModelError: the model has no such layer; the message says what it has.
    """
    found = first_layer(model)
    what = type(model).__name__
    advice = "choose a model that cuts its images into patches, such as a ViT, ConvMixer or Mixer"
    if found is None:
        named = (getattr(model, "pretrained_cfg", None) or {}).get("first_conv")
        says = f"several first layers ({', '.join(map(str, named))})" if isinstance(named, list | tuple) else "none"
        raise IncompatibleModelError(
            f"{what} has no single layer that takes the image (first_conv in its configuration names {says}); {advice}"
        )
    name, layer = found
    # Subclasses, such as those that standardise their weights, compute something else with them.
    if type(layer) not in (nn.Conv2d, KeyedConv2d):
        raise IncompatibleModelError(
            f"the first layer of {what}, {name}, is a {type(layer).__name__}, not a plain convolution; {advice}"
        )
    conv: Any = layer
    padding = {"valid": (0, 0), "same": None}.get(conv.padding, conv.padding)
    if tuple(conv.kernel_size) != tuple(conv.stride) or padding != (0, 0) or conv.dilation != (1, 1):
        raise IncompatibleModelError(
            f"the first layer of {what}, {name}, has windows that overlap or reach over the border (kernel "
            f"{_by(conv.kernel_size)}, stride {_by(conv.stride)}, padding {conv.padding}), so each sees parts of "
            f"several encrypted blocks; {advice}"
        )
    if conv.groups != 1:
        raise IncompatibleModelError(f"the first layer of {what}, {name}, treats its channels apart; {advice}")
    return name, conv


def attach_keyed(model: nn.Module, shape: KeyedShape) -> KeyedConv2d:
    """Puts a keyed embedding, with tables that change nothing, in the place of a model's own, in place.

    Raises:
        IncompatibleModelError: the model has no patch embedding, or one that is keyed already.
    """
    name, conv = patch_embedding(model)
    if isinstance(conv, KeyedConv2d):
        raise IncompatibleModelError("the model's embedding is keyed already; decrypt it first")
    keyed = KeyedConv2d(conv, shape)
    model.set_submodule(name, keyed)
    return keyed


def relative_change(before: Tensor, after: Tensor) -> float:
    """Norm of the difference as a part of the norm before: 0 for weights that are as they were."""
    scale = float(before.double().norm())
    return float((after.double() - before.double()).norm()) / scale if scale else float(bool(after.any()))


def _by(pair: tuple[int, ...]) -> str:
    return "x".join(map(str, pair))
