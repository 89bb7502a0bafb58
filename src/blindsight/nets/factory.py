"""Any timm model by name, with the presets of this package among them."""

import logging
import re
from pathlib import Path
from typing import Any

import timm
from timm.models import is_model, list_models
from torch import nn

from blindsight.errors import BlindsightError, CorruptDataError, ParameterError, UnknownNameError
from blindsight.nets import convmixer, vit

__all__ = ["create_model", "list_presets", "patch_size", "preset_for"]


def list_presets() -> list[str]:
    """Names of the presets of this package, sorted."""
    return sorted(n for module in (convmixer, vit) for n in module.__all__ if n.islower())


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
            position embeddings are adapted as timm adapts its own.
        model_args: further arguments of the architecture, such as ``drop_path_rate``.

    Raises:
        UnknownNameError: timm has no model of that name.
        ParameterError: the architecture refuses an argument.
        CorruptDataError: the weights file is missing, unreadable or belongs to another architecture.
        BlindsightError: pretrained weights could not be fetched.
    """
    base = name.split(".")[0]
    if not is_model(base):
        raise UnknownNameError.of("model", name, list_models())
    arguments: dict[str, Any] = {"num_classes": num_classes, "in_chans": in_chans, **model_args}
    if checkpoint is not None:
        if not checkpoint.is_file():
            raise CorruptDataError(f"there is no weights file {checkpoint}; give a safetensors or PyTorch file")
        # `custom_load` is for the npz files of the original authors, which timm's ViTs would otherwise expect.
        arguments["pretrained_cfg_overlay"] = {"file": str(checkpoint), "custom_load": checkpoint.suffix == ".npz"}
        _reclassify(base, checkpoint, num_classes, arguments["pretrained_cfg_overlay"])
    fixed = img_size is not None and bool(getattr(timm.get_pretrained_cfg(base), "fixed_input_size", False))
    if fixed:
        arguments["img_size"] = img_size
    load = pretrained or checkpoint is not None
    # timm would log the file's path and a line for each adapted tensor.
    logging.getLogger("timm").setLevel(logging.ERROR)
    try:
        return timm.create_model(name, pretrained=load, **arguments)
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


def _reclassify(name: str, checkpoint: Path, num_classes: int, overlay: dict[str, Any]) -> None:
    """Tells timm how many classes the file has, so that it drops a classifier of another size, and only then."""
    from timm.models import load_state_dict

    if overlay["custom_load"]:
        return
    try:
        state = load_state_dict(str(checkpoint), use_ema=True)
    except Exception as error:
        raise CorruptDataError(f"{checkpoint} is not a file of weights: {error}".splitlines()[0]) from None
    classifier = getattr(timm.get_pretrained_cfg(name), "classifier", None)
    if isinstance(classifier, str) and f"{classifier}.weight" in state:
        overlay["num_classes"] = int(state[f"{classifier}.weight"].shape[0])
    elif isinstance(classifier, str):
        # Weights without a head: timm must not look for one.
        overlay["num_classes"] = num_classes + 1
        overlay["classifier"] = None


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
    """Presets whose patch is the block or divides it, made for the nearest image side; at most four, best fit first."""
    scored: list[tuple[int, int, str]] = []
    for name in list_presets():
        match = re.search(r"(?:patch|s2d)(\d+)_(\d+)$", name)
        assert match is not None, name
        patch, side = int(match[1]), int(match[2])
        if block_size % patch == 0:
            scored.append((abs(side - max(size)) if size else 0, block_size // patch, name))
    return [name for _, _, name in sorted(scored)[:4]]
