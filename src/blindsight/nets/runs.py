"""Run folders: a trained model, the profile of the data it was trained on, and what was measured.

    RUN/model.safetensors   weights, with the profile in the metadata
    RUN/config.json         timm style: architecture, num_classes, num_features, pretrained_cfg, model_args
    RUN/profile.json        the protection that the model's images have
    RUN/README.md           model card
    RUN/recipe.json, metrics.csv, checkpoints/   how it was trained (see blindsight.provider.training)

A run folder is written whole or not at all: each file goes through a temporary name, and ``.incomplete`` stands in
the folder until the last one is in place. timm reads such a folder too: ``timm.create_model("local-dir:RUN")``. Only
where ``model_args`` names a keyed embedding (``keyed_variants``, ...; see :mod:`blindsight.nets.keyed_embedding`) it
refuses.
"""

import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blindsight.errors import CorruptDataError, OutputError, ProfileError
from blindsight.nets._card import Origin, model_card
from blindsight.nets._keyed_shape import KeyedShape, require_tables
from blindsight.profile import INCOMPLETE_MARKER, PROFILE_NAME, Profile

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "CONFIG_NAME",
    "RESERVED_ARGUMENTS",
    "UNFINISHED_TRAINING",
    "WEIGHTS_NAME",
    "Run",
    "load_run",
    "read_config",
    "require_new",
    "save_run",
    "write_atomic",
]

WEIGHTS_NAME = "model.safetensors"
#: What no architecture takes as an argument of its own: it is said elsewhere.
RESERVED_ARGUMENTS = frozenset({"name", "num_classes", "in_chans", "pretrained", "checkpoint"})
CONFIG_NAME = "config.json"
CARD_NAME = "README.md"
#: What ``.incomplete`` says in a folder that a training can go on in. Any other folder is written in one go.
UNFINISHED_TRAINING = "A training into this folder has not finished. Go on: train --resume\n"


@dataclass
class Run:
    """A trained model and what it may be used on.

    Attributes:
        model: the network, in evaluation mode; takes float images (N, C, H, W), normalised, and gives logits (N, K).
        profile: the protection of the images it was trained on; ``profile.classes[k]`` is the class of logit k.
        config: contents of ``config.json``.
        folder: where it was read from; None for a run that was never saved.
    """

    model: "nn.Module"
    profile: Profile
    config: dict[str, Any]
    folder: Path | None = field(default=None, compare=False)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels of the images the model takes."""
        _, height, width = self.config["pretrained_cfg"]["input_size"]
        return int(height), int(width)

    @property
    def normalisation(self) -> tuple[float, float]:
        """(mean, std), the same for every channel: the model takes ``(x / 255 - mean) / std``."""
        return _normalisation(self.config)


def _normalisation(config: dict[str, Any]) -> tuple[float, float]:
    """Mean and standard deviation as ``config.json`` states them, channel by channel.

    Raises:
        TypeError: the channels differ, or hold no numbers that one can subtract and divide by.
    """
    found = []
    for name in ("mean", "std"):
        values = config["pretrained_cfg"].get(name, [0.5])
        value = float(values[0])
        if set(values) != {values[0]} or not math.isfinite(value):
            raise TypeError(f"{name} is {values!r}, expected one number for all channels")
        found.append(value)
    if found[1] <= 0:
        raise TypeError(f"std is {found[1]!r}, expected more than 0")
    return found[0], found[1]


def write_atomic(path: Path, content: bytes | str) -> None:
    """Writes a file so that it is either whole or absent, also after a crash.

    Raises:
        OutputError: no space left, or the folder cannot be written to.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path}: {error.strerror or error}; free some space or choose --out") from None


def require_new(folder: Path) -> None:
    """Sees that a folder is absent or empty, before work that would end in it.

    Raises:
        OutputError: it is a file, holds something, or something unfinished.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; choose another folder with --out")
    content = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if INCOMPLETE_MARKER in content:
        raise OutputError(f"{folder} holds something unfinished; remove it, or choose another folder with --out")
    if content:
        raise OutputError(f"{folder} is not empty; choose another folder with --out")


def save_run(
    folder: Path,
    model: "nn.Module",
    profile: Profile,
    *,
    architecture: str,
    size: tuple[int, int],
    model_args: dict[str, Any] | None = None,
    mean: float = 0.5,
    std: float = 0.5,
    results: dict[str, Any] | None = None,
    origin: Origin = "trained",
) -> dict[str, Any]:
    """Writes weights, configuration, profile and model card; returns the configuration.

    Args:
        folder: the run folder, made where it is missing.
        model: the trained network.
        profile: of the data it was trained on; its classes are the model's outputs in order.
        architecture: timm name, without a pretrained tag.
        size: (height, width) of the images it was trained on.
        model_args: arguments that make the same architecture again, JSON values. Those of a keyed embedding are taken
            from the model itself.
        mean: the model takes ``(x / 255 - mean) / std``.
        std: see ``mean``.
        results: numbers for the model card, e.g. ``{"val_top1": 0.93, "epochs": 20}``.
        origin: what the weights came from: for config.json and the model card.

    Raises:
        OutputError: the folder cannot be written to or is full.
    """
    from safetensors.torch import save

    from blindsight.nets.keyed_embedding import keyed_layer

    layer = keyed_layer(model)
    arguments = {k: v for k, v in (model_args or {}).items() if not k.startswith("keyed_")}
    if layer is not None:
        arguments.update(layer.shape.arguments())
    cfg = dict(getattr(model, "pretrained_cfg", None) or {})
    config: dict[str, Any] = {
        "architecture": architecture,
        "num_classes": len(profile.classes),
        "num_features": int(getattr(model, "num_features", 0)),
        "model_args": arguments,
        "pretrained_cfg": {
            "input_size": [profile.channels, *size],
            "fixed_input_size": True,
            "interpolation": cfg.get("interpolation", "bicubic"),
            "crop_pct": 1.0,
            "mean": [mean] * profile.channels,
            "std": [std] * profile.channels,
            "num_classes": len(profile.classes),
            "first_conv": cfg.get("first_conv"),
            "classifier": cfg.get("classifier"),
        },
        "label_names": list(profile.classes),
        **({"encrypted": True} if origin == "encrypted" else {}),
    }
    metadata = {"format": "pt", "blindsight.profile": json.dumps(profile.model_dump(mode="json"), sort_keys=True)}
    # The Rust side keeps metadata in a hash map; the weights of equal runs should be equal bytes all the same.
    state = {k: v.detach().cpu().contiguous() for k, v in sorted(model.state_dict().items())}
    weights = _with_metadata(save(state), metadata)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make {folder}: {error.strerror or error}") from None
    write_atomic(folder / WEIGHTS_NAME, weights)
    write_atomic(folder / CONFIG_NAME, json.dumps(config, indent=2) + "\n")
    card = model_card(
        architecture, profile, size, results or {}, (mean, std), origin, layer.shape.variants if layer else 1
    )
    write_atomic(folder / CARD_NAME, card)
    write_atomic(folder / PROFILE_NAME, profile.to_json())
    return config


def _with_metadata(data: bytes, metadata: dict[str, str]) -> bytes:
    """Puts metadata into a serialised safetensors file in a fixed order (header: u64 length, JSON padded to 8)."""
    length = int.from_bytes(data[:8], "little")
    header = {"__metadata__": metadata, **json.loads(data[8 : 8 + length])}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def read_config(folder: Path) -> tuple[Profile, dict[str, Any]]:
    """Profile and configuration of a run, without its weights and without torch.

    Raises:
        OutputError: the folder is missing, or what writes it has not finished.
        CorruptDataError: a file is missing or damaged; the message names it.
    """
    if not folder.is_dir():
        raise OutputError(f"{folder} is not a folder; give the run folder that train wrote")
    marker = folder / INCOMPLETE_MARKER
    if marker.exists():
        if marker.read_bytes() == UNFINISHED_TRAINING.encode():
            raise OutputError(f"the training into {folder} has not finished; finish it with train --resume")
        raise OutputError(f"{folder} was not written to its end; delete it and repeat the command that made it")
    for name in (CONFIG_NAME, WEIGHTS_NAME, PROFILE_NAME):
        if not (folder / name).is_file():
            raise CorruptDataError(f"{folder} has no {name}: not a run folder, or a damaged one; train again")
    try:
        profile = Profile.from_json((folder / PROFILE_NAME).read_bytes(), origin=str(folder / PROFILE_NAME))
    except ProfileError as error:
        raise CorruptDataError(str(error)) from None
    path = folder / CONFIG_NAME
    try:
        config = json.loads(path.read_bytes())
        architecture, classes = config["architecture"], config["num_classes"]
        channels, height, width = (int(v) for v in config["pretrained_cfg"]["input_size"])
        arguments = config["model_args"]
        normalisation = _normalisation(config)
        if not (isinstance(architecture, str) and isinstance(arguments, dict) and min(channels, height, width) > 0):
            raise TypeError("a value has the wrong type")
        if RESERVED_ARGUMENTS & arguments.keys():
            raise TypeError(f"model_args has {min(RESERVED_ARGUMENTS & arguments.keys())}")
        KeyedShape.of(arguments)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise CorruptDataError(f"{path} is damaged ({error}); restore it or train again") from None
    if classes != len(profile.classes) or channels != profile.channels:
        raise CorruptDataError(
            f"{path} says {classes} classes and {channels} channels, {PROFILE_NAME} beside it says "
            f"{len(profile.classes)} and {profile.channels}; the files belong to different runs"
        )
    if profile.kind == "cipher" and normalisation != (0.5, 0.5):
        raise CorruptDataError(
            f"{path} says mean {normalisation[0]:g} and std {normalisation[1]:g}; models of enciphered images have 0.5 "
            f"and 0.5; restore it or train again"
        )
    return profile, config


def load_run(folder: Path) -> Run:
    """Reads a run folder.

    Raises:
        OutputError: the folder is missing, or what writes it has not finished.
        CorruptDataError: a file is missing or damaged; the message names it.
        UnknownNameError: the architecture is not one timm or this package knows.
    """
    profile, config = read_config(folder)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from blindsight.nets import create_model
    from blindsight.nets.keyed_embedding import check_keyed, keyed_layer

    path = folder / WEIGHTS_NAME
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CorruptDataError(f"{path} is damaged ({error}); restore it or train again") from None
    require_tables(KeyedShape.of(config["model_args"]), state, path)
    model = create_model(
        config["architecture"],
        num_classes=config["num_classes"],
        in_chans=profile.channels,
        **config["model_args"],
    )
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise CorruptDataError(f"{path} does not hold the weights {CONFIG_NAME} describes ({reason})") from None
    layer = keyed_layer(model)
    if layer is not None:
        check_keyed(layer, str(path))
    return Run(model.eval(), profile, config, folder)
