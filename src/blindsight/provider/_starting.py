"""Where a training starts from a run folder: its architecture, its protection, its classes, its first weights."""

from pathlib import Path
from typing import Any

import torch

from blindsight.errors import ProfileMismatchError
from blindsight.nets.first_layer import first_layer
from blindsight.nets.runs import read_config
from blindsight.nets.starting import reorder_classes
from blindsight.profile import Profile
from blindsight.provider._run_folder import CHECKPOINTS, RECIPE_NAME
from blindsight.provider.callbacks import LAST_NAME
from blindsight.provider.recipe import TrainConfig

__all__ = ["first_weight", "of_starting_run", "start_from"]


def of_starting_run(config: TrainConfig, begun: Path | None) -> TrainConfig:
    """Where a training starts from a run folder: with that run's architecture, unless the recipe names one.

    What was ``begun`` and is resumed has its weights in its own checkpoint, and what it began from may be gone.
    """
    if config.checkpoint is None or config.checkpoint.is_file():
        return config
    if begun is not None and (begun / CHECKPOINTS / LAST_NAME).exists() and (begun / RECIPE_NAME).exists():
        then = TrainConfig.make(TrainConfig.read(begun / RECIPE_NAME))
        stored: dict[str, Any] = {"architecture": then.model, "model_args": then.model_args}
    elif config.checkpoint.is_dir():
        _, stored = read_config(config.checkpoint)
    else:
        return config
    changes: dict[str, Any] = {} if "model" in config.model_fields_set else {"model": stored["architecture"]}
    arguments = {k: v for k, v in stored["model_args"].items() if k != "img_size"}
    if changes.get("model", config.model).split(".")[0] == stored["architecture"]:
        changes["model_args"] = {**arguments, **config.model_args}
    return TrainConfig.make({**{name: getattr(config, name) for name in config.model_fields_set}, **changes})


def start_from(folder: Path, network: torch.nn.Module, data: Profile, size: tuple[int, int]) -> Profile:
    """Sees that a run to start from knows these images, and brings its outputs into the order of their classes.

    Returns:
        The run's profile.

    Raises:
        ProfileMismatchError: it was made for images encrypted in another way.
    """
    start, stored = read_config(folder)
    if start.kind == "cipher":
        start.require_same_protection(data, "the run to start from", "the data")
        made_for = tuple(stored["pretrained_cfg"]["input_size"][1:])
        if made_for != tuple(size):
            raise ProfileMismatchError(
                f"the run to start from takes images of {made_for[0]}x{made_for[1]} and the data has "
                f"{size[0]}x{size[1]}; protect the data with --size {made_for[0]}x{made_for[1]}"
            )
    reorder_classes(network, start.classes, data.classes)
    return start


def first_weight(network: torch.nn.Module) -> torch.Tensor | None:
    """A copy of the first layer's weights; None where the network does not say which layer that is."""
    found = first_layer(network)
    weight = getattr(found[1], "weight", None) if found is not None else None
    return weight.detach().clone() if isinstance(weight, torch.Tensor) else None
