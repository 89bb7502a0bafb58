"""A model to begin training with that knows how the blocks of a protected set are turned, but not where they belong.

A cipher such as EtC gives each block a state of its own (a rotation, a negation, an order of colours), so one patch
embedding meets every pattern in up to 96 states and training on protected images costs accuracy. With a keyed embedding
(:class:`blindsight.nets.keyed_embedding.KeyedConv2d`) it does not: a table brings all blocks into one common state
first, as in :mod:`blindsight.owner.model_cipher`. Here the model is untrained: weights and position embeddings are
random, each like any other, so training it on the protected images is training on plain ones whose blocks stand in
another order, and a ViT learns where its positions are in any case.

What the table gives away is stated by :func:`make_start_model`.
"""

import io
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blindsight.errors import ImageError, IncompatibleModelError, ParameterError, ProfileError, WrongKeyError
from blindsight.nets.runs import RESERVED_ARGUMENTS, require_new
from blindsight.owner._layout import opener
from blindsight.owner._patches import PatchStates
from blindsight.owner._positions import relative_position
from blindsight.owner.encrypted_run import write_run
from blindsight.owner.keys import SecretKey
from blindsight.owner.protection import Protection
from blindsight.owner.reveal import cipher_profile, protected_records
from blindsight.profile import Profile

__all__ = ["StartModel", "make_start_model", "sized_profile"]

#: An embedding that reads each position in its own way has no use for the table.
_RESERVED = {*RESERVED_ARGUMENTS, "img_size", "embedding", "embedding_rank", "embedding_temperature"}


@dataclass(frozen=True)
class StartModel:
    """What :func:`make_start_model` did.

    Attributes:
        profile: of the images that the model is for.
        states: in how many states blocks are met.
        positions: patches of an image.
    """

    profile: Profile
    states: int
    positions: int


def make_start_model(
    architecture: str,
    out: Path,
    profile: Profile,
    key: SecretKey,
    *,
    model_args: dict[str, Any] | None = None,
    seed: int | None = None,
) -> StartModel:
    """Writes an untrained run folder that ``train --checkpoint`` begins with.

    Its tables tell whoever gets it how the blocks of every image under this key, scheme and size are turned, negated
    and recoloured, relative to each other. What they do not tell is the one common state, and where the blocks belong;
    what is trained from it learns some of that (docs/etc-training.md). Where blocks stay in their places the tables
    would be nearly the whole key, and that is refused.

    Args:
        architecture: timm name or a preset of :mod:`blindsight.nets`, with a patch embedding.
        out: the run folder; absent or empty.
        profile: of the protected set: kind ``cipher``, scope ``dataset``, all images of one size.
        key: the key that it names.
        model_args: arguments of the architecture, JSON values.
        seed: of the weights; None draws them from the operating system's random source.

    Raises:
        WrongKeyError: the profile names another key.
        ProfileError: the profile states no classes or no size, or its images have keys of their own.
        ParameterError: the scheme leaves blocks in their places, gives them all one state (nothing is to be gained), or
            is not linear.
        IncompatibleModelError: the model has no patch embedding, patches and blocks do not fit, or its attention knows
            how patches lie to each other.
        OutputError: ``out`` is not ours to write to.
    """
    import torch

    from blindsight.nets.factory import create_model, takes_img_size
    from blindsight.nets.first_layer import attach_keyed, patch_embedding
    from blindsight.nets.keyed_embedding import KeyedShape

    if profile.key_id != key.id:
        raise WrongKeyError(f"the set was protected with key {profile.key_id}, the key at hand is {key.id}")
    if profile.key_scope != "dataset":
        raise ProfileError(
            f"key scope '{profile.key_scope}' turns the blocks of each image in ways of its own; a start model is for "
            f"one key: key scope dataset"
        )
    if profile.size is None or not profile.classes:
        lacks = "images of no stated size" if profile.size is None else "no classes"
        raise ProfileError(f"the set has {lacks}, and a model is for one size and for classes that are known")
    reserved = [name for name in model_args or {} if name in _RESERVED or name.startswith("keyed_")]
    if reserved and reserved[0] in ("pretrained", "checkpoint"):
        raise ParameterError(
            f"a start model is untrained, so '{reserved[0]}' is no argument for it; leave it out, or encrypt a trained "
            f"model with encrypt-model"
        )
    if reserved:
        raise ParameterError(f"model argument '{reserved[0]}' is for start-model itself to set; leave it out")
    require_new(out)
    permutation = Protection(profile, key).permutation(*profile.size)
    size = profile.size
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(secrets.randbits(63) if seed is None else seed)
        model = create_model(
            architecture,
            num_classes=len(profile.classes),
            in_chans=profile.channels,
            img_size=size,
            **(model_args or {}),
        )
    _, conv = patch_embedding(model)
    _require_absolute_positions(model)
    patch = (int(conv.kernel_size[0]), int(conv.kernel_size[1]))
    states = PatchStates.of(permutation, patch, str(profile.scheme), profile.block_size or 1)
    _require_worth(states, profile)
    keyed = attach_keyed(model, KeyedShape(len(states.index), states.rows, states.cols))
    index, sign = states.relative()
    with torch.no_grad():
        keyed.variant_index.copy_(torch.from_numpy(index))
        keyed.variant_sign.copy_(torch.from_numpy(sign))
        keyed.position_variant.copy_(torch.from_numpy(states.variant))
    base = architecture.split(".")[0]
    arguments = {**(model_args or {}), **({"img_size": list(size)} if takes_img_size(base) else {})}
    write_run(out, model, profile, {"architecture": base, "model_args": arguments}, "untrained")
    return StartModel(profile, len(states.index), states.rows * states.cols)


def sized_profile(protected: Path) -> Profile:
    """The profile of a protected set, with the size of its images where it states none.

    Raises:
        OutputError, ProfileError: not a folder that ``protect`` wrote, or its images are of several sizes.
        ImageError: an image is damaged.
    """
    profile = cipher_profile(protected)
    if profile.size is not None:
        return profile
    read = opener(protected, profile)
    sizes = {_stored_size(read(record.file), record.file) for record in protected_records(protected, None, profile)}
    if len(sizes) > 1:
        low, high = min(sizes), max(sizes)
        raise ProfileError(
            f"the images of {protected} are of {len(sizes)} sizes, {low[0]}x{low[1]} to {high[0]}x{high[1]}, and a "
            f"model is for one; protect with --size"
        )
    return profile.model_copy(update={"size": sizes.pop()}) if sizes else profile


def _stored_size(source: Path | bytes, name: str) -> tuple[int, int]:
    """(height, width) from an image's header."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(source if isinstance(source, Path) else io.BytesIO(source)) as image:
            return image.height, image.width
    except (OSError, UnidentifiedImageError) as error:
        raise ImageError(f"{name} cannot be read: {error}; protect it anew") from None


def _require_absolute_positions(model: Any) -> None:
    relative = relative_position(model)
    if relative is not None:
        raise IncompatibleModelError(
            f"{type(model).__name__} has relative or rotary positions ({relative}), which mean nothing among scrambled "
            f"blocks, and what is trained from it could not be decrypted; choose a ViT with position embeddings that "
            f"are added to its tokens (such as vit_*, deit_*, or the presets here)"
        )


def _require_worth(states: PatchStates, profile: Profile) -> None:
    if len(states.index) == 1:
        raise ParameterError(
            f"scheme '{profile.scheme}' gives all blocks one state, so an ordinary model sees them as well; "
            f"train with --model"
        )
    if not states.moves:
        raise ParameterError(
            f"scheme '{profile.scheme}' leaves the blocks in their places, so a table of their states would show the "
            f"images; choose a scheme that scrambles blocks too, such as etc"
        )
