"""Starting a model from a run folder: an embedding of our own is carried over, and classes find their places by id."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from blindsight.errors import CorruptDataError, ParameterError
from blindsight.nets._keyed_shape import KeyedShape, require_tables
from blindsight.nets.runs import WEIGHTS_NAME, read_config

__all__ = ["classifier_names", "load_own", "own_weights", "reorder_classes"]


def own_weights(
    folder: Path, architecture: str, keyed: KeyedShape | None
) -> tuple[KeyedShape | None, dict[str, Tensor] | None]:
    """What timm's loader cannot read: shape and weights of a run whose embedding is keyed or knows its positions.

    For another run both are None.

    Args:
        folder: a run folder.
        architecture: of the model that is to start from it.
        keyed: what that model's arguments say of its embedding.

    Raises:
        OutputError, CorruptDataError: no run folder, or a damaged one.
        ParameterError: the run holds another architecture, or other tables.
    """
    _, config = read_config(folder)
    if config["architecture"] != architecture:
        raise ParameterError(
            f"{folder} holds a {config['architecture']} and the model is {architecture}; leave --model out, or give "
            f"--model {config['architecture']}"
        )
    shape = KeyedShape.of(config["model_args"])
    if keyed is not None and keyed != shape:
        raise ParameterError(
            f"the recipe's model_args say {keyed.arguments()} and {folder} has {shape.arguments() if shape else 'none'}"
        )
    if shape is None and config["model_args"].get("embedding", "tied") == "tied":
        return None, None
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / WEIGHTS_NAME
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CorruptDataError(f"{path} is damaged ({error}); restore it") from None
    require_tables(shape, weights, path)
    return shape, weights


def load_own(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Loads what :func:`own_weights` gave; a classifier of another size stays as the model made it.

    Raises:
        CorruptDataError: anything else differs, such as the size of the images.
    """
    from blindsight.nets.keyed_embedding import check_keyed, keyed_layer

    own = model.state_dict()
    heads = tuple(f"{name}." for name in classifier_names(model))
    fresh = {k: own[k] for k in weights if k.startswith(heads) and k in own and own[k].shape != weights[k].shape}
    try:
        model.load_state_dict({**weights, **fresh})
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise CorruptDataError(
            f"the run to start from does not fit the model ({reason}); its embedding is for images of one size"
        ) from None
    layer = keyed_layer(model)
    if layer is not None:
        check_keyed(layer, "the run to start from")


def classifier_names(model: nn.Module) -> list[str]:
    """Names of the layers that give the logits, as timm's configuration states them."""
    names: Any = (getattr(model, "pretrained_cfg", None) or {}).get("classifier")
    return [names] if isinstance(names, str) else [str(name) for name in names or ()]


@torch.no_grad()
def reorder_classes(model: nn.Module, before: tuple[str, ...], after: tuple[str, ...]) -> None:
    """Brings the outputs of a classifier into another order of the same classes, in place.

    Where the classes are others nothing is done: the outputs are to be learned anew.
    """
    if before == after or sorted(before) != sorted(after):
        return
    order = [before.index(name) for name in after]
    for name in classifier_names(model):
        for parameter in model.get_submodule(name).parameters(recurse=False):
            parameter.copy_(parameter[order].clone())
