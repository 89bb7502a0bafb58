"""Any timm model by name, with the presets of this package among them."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import timm
from timm.models import is_model, list_models, load_state_dict
from torch import nn

from blindsight.errors import BlindsightError, CorruptDataError, ParameterError, UnknownNameError
from blindsight.nets import adaptation, cnn, convmixer, convmixer_permuted, pyramidnet, vit
from blindsight.nets._keyed_shape import KeyedShape
from blindsight.nets.runs import WEIGHTS_NAME

__all__ = ["built_for", "create_model", "list_presets", "patch_size", "preset_for", "takes_img_size"]

MODULES = (adaptation, cnn, convmixer, convmixer_permuted, pyramidnet, vit)


def list_presets() -> list[str]:
    """Names of the presets of this package, sorted."""
    return sorted(n for module in MODULES for n in module.__all__ if n.islower())


def create_model(
    name: str,
    *,
    num_classes: int,
    in_chans: int = 3,
    img_size: tuple[int, int] | None = None,
    pretrained: bool = False,
    checkpoint: Path | None = None,
    **model_args: Any,
) -> nn.Module:
    """Makes a model on the CPU, ready for images of one size.

    Args:
        name: any name timm knows, with or without a pretrained tag; presets of this package are among them.
        num_classes: outputs of the classifier.
        in_chans: 3 for RGB, 1 for grayscale.
        img_size: (height, width) in pixels, used where the architecture is built for one size.
        pretrained: fetch timm's weights for that name. The classifier is fresh where its size differs.
        checkpoint: a local file of weights (safetensors or a PyTorch state dict) to start from instead; patch and
            position embeddings are adapted as timm adapts its own, and a missing classifier is made anew. Or a run
            folder, whose weights are taken, with its keyed embedding where it has one.
        model_args: further arguments of the architecture, such as ``drop_path_rate``; and those of a keyed embedding
            (:class:`~blindsight.nets._keyed_shape.KeyedShape`).

    Raises:
        UnknownNameError: timm has no model of that name.
        ParameterError: the architecture refuses an argument.
        CorruptDataError: the weights file is missing, unreadable or belongs to another architecture.
        BlindsightError: pretrained weights could not be fetched.
    """
    base = name.split(".")[0]
    if not is_model(base):
        raise UnknownNameError.of("model", name, list_models())
    keyed = KeyedShape.of(model_args)
    model_args = {k: v for k, v in model_args.items() if not k.startswith("keyed_")}
    weights = None
    if checkpoint is not None and checkpoint.is_dir():
        from blindsight.nets.starting import own_weights

        # What timm would not know how to read is loaded below.
        keyed, weights = own_weights(checkpoint, base, keyed)
        checkpoint = None if weights is not None else checkpoint / WEIGHTS_NAME
    arguments: dict[str, Any] = {"num_classes": num_classes, "in_chans": in_chans, **model_args}
    if img_size is not None and takes_img_size(base, model_args):
        arguments["img_size"] = img_size
    if checkpoint is not None:
        arguments["pretrained_cfg_overlay"] = _source(base, checkpoint, arguments)
    load = pretrained or checkpoint is not None
    # timm would log the file's path and a line for each adapted tensor.
    logging.getLogger("timm").setLevel(logging.ERROR)
    try:
        model = timm.create_model(name, pretrained=load, **arguments)
    except BlindsightError:
        raise  # one of our own networks says best itself what is wrong
    except TypeError as error:
        raise ParameterError(f"model {name} does not take these arguments: {error}") from None
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if checkpoint is not None:
            raise CorruptDataError(f"cannot start {name} from {checkpoint}: {reason}") from error
        if pretrained:
            raise BlindsightError(
                f"no pretrained weights for {name} could be had ({reason}); give a local file with --checkpoint"
            ) from error
        raise ParameterError(f"model {name} cannot be made: {reason}") from error
    # A configuration is for people and files: no weights in it.
    model.pretrained_cfg.pop("state_dict", None)
    if keyed is not None:
        from blindsight.nets.first_layer import attach_keyed

        attach_keyed(model, keyed)
    if weights is not None:
        from blindsight.nets.starting import load_own

        load_own(model, weights)
    return model


def _source(name: str, checkpoint: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    """What timm has to know of a local file: that it is one, and how many classes its classifier has."""
    if not checkpoint.is_file():
        raise CorruptDataError(f"there is no weights file {checkpoint}; give a safetensors or PyTorch file")
    if checkpoint.suffix == ".npz":
        # The files of ViT's authors, which timm's own loader of the architecture reads.
        return {"file": str(checkpoint), "custom_load": True}
    try:
        state = load_state_dict(str(checkpoint), use_ema=True)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CorruptDataError(f"{checkpoint} is not a file of weights: {reason}") from None
    named = getattr(timm.get_pretrained_cfg(name), "classifier", None)
    heads = [named] if isinstance(named, str) else list(named or ())  # a distilled DeiT has two
    if not heads:
        return {"file": str(checkpoint), "custom_load": False}
    if all(f"{head}.weight" in state for head in heads):
        # timm keeps the file's classifier where the numbers of classes agree, and drops it where they do not.
        classes = int(state[f"{heads[0]}.weight"].shape[0])
        return {"file": str(checkpoint), "custom_load": False, "num_classes": classes}
    fresh = timm.create_model(name, **arguments).state_dict()
    state.update({k: v for k, v in fresh.items() if k.startswith(tuple(f"{head}." for head in heads))})
    return {"state_dict": state, "custom_load": False, "num_classes": arguments["num_classes"]}


def takes_img_size(name: str, model_args: Mapping[str, Any] = MappingProxyType({})) -> bool:
    """Whether a model with these arguments is built for one size of images, and so has to be told which."""
    if model_args.get("embedding", "tied") != "tied":
        return True  # a patch embedding that knows positions
    return bool(getattr(timm.get_pretrained_cfg(name.split(".")[0]), "fixed_input_size", False))


def built_for(model: nn.Module) -> tuple[int, int] | None:
    """(height, width) of the only images a model takes; None where it takes any, or does not say."""
    for part in (getattr(model, "patch_embed", None), model):
        size = getattr(part, "img_size", None)
        if isinstance(size, (tuple, list)):
            return (int(size[0]), int(size[1]))
    return None


def patch_size(model: nn.Module) -> tuple[int, int] | None:
    """(height, width) of the patches a model cuts its input into; None where it does not cut at all.

    Taken from ``patch_embed.patch_size``, a ``patch_size`` attribute, or the first convolution where its kernel and
    stride are one (a non-overlapping embedding).
    """
    embed = getattr(model, "patch_embed", None)
    found = getattr(embed, "patch_size", None) or getattr(model, "patch_size", None)
    if found is not None:
        pair = (found, found) if isinstance(found, int) else tuple(int(v) for v in found)
        return (pair[0], pair[1])
    first = (getattr(model, "pretrained_cfg", None) or {}).get("first_conv")
    if not isinstance(first, str):
        return None
    try:
        conv = model.get_submodule(first)
    except AttributeError:
        return None
    if isinstance(conv, nn.Conv2d) and tuple(conv.kernel_size) == tuple(conv.stride):
        return (conv.kernel_size[0], conv.kernel_size[1])
    return None


def preset_for(block_size: int, size: tuple[int, int] | None) -> list[str]:
    """Presets whose patch is the block or divides it, made for the nearest image side; at most four, best fit first.

    Presets without patches (the CNNs) are never among them, nor are networks that are made for scrambled blocks.
    """
    scored: list[tuple[int, int, str]] = []
    for name in list_presets():
        match = re.search(r"(?:patch|s2d)(\d+)_(\d+)$", name)
        if match is None:
            continue
        patch, side = int(match[1]), int(match[2])
        if block_size % patch == 0:
            scored.append((abs(side - max(size)) if size else 0, block_size // patch, name))
    return [name for _, _, name in sorted(scored)[:4]]
