"""A plain model in, a key-encrypted model out: an encrypted query gets the plain model's logits, without loss.

A cipher that moves and negates samples is a signed permutation, and so absorbed by a linear first layer: its input
weights are permuted and signed alike. Where the blocks change places, the position embeddings follow. Kiya, Iijima,
MaungMaung & Kinoshita, arXiv 2207.05366, do so for one in-block key and ViT; arXiv 2207.11939 for ConvMixer; "Privacy-
Preserving ConvMixer Without Any Accuracy Degradation", Information 15(11):723, 2024, with a kernel for each block. All
of it is derived here from the cipher's permutation of the image, not scheme by scheme, and checked on every model
before it is given away.

It protects the query. It does not hide the key from whoever knows the plain model: see docs/encrypted-model.md.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blindsight.algebra import BlockGrid, SignedPermutation
from blindsight.errors import CorruptDataError, IncompatibleModelError, ParameterError
from blindsight.owner._agreement import require_agreement
from blindsight.owner._patches import PatchStates
from blindsight.owner._positions import move_positions
from blindsight.owner.keys import SecretKey
from blindsight.owner.orthogonal import OrthogonalBlocks
from blindsight.owner.protection import Protection
from blindsight.profile import Profile

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Absorbed", "absorb", "absorb_orthogonal", "decrypt_model", "encrypt_model", "fold_normalisation"]

PerChannel = float | Sequence[float]


def encrypt_model(
    model: "nn.Module", profile: Profile, key: SecretKey, *, mean: PerChannel = 0.5, std: PerChannel = 0.5
) -> "nn.Module":
    """A model that answers to encrypted images what this one answers to plain ones.

    Args:
        model: a timm model; left as it is.
        profile: of the images that the result takes: kind ``cipher``, scope ``dataset``, with a size.
        key: the key that the profile names.
        mean: of the plain model's images, ``(x / 255 - mean) / std``, one number or one a channel.
        std: likewise.

    Returns:
        A copy in evaluation mode, which takes images normalised with 0.5 and 0.5. Its first layer is an ordinary
        convolution still where all positions share one state, and else a
        :class:`~blindsight.nets.keyed_embedding.KeyedConv2d`.

    Raises:
        WrongKeyError: the profile names another key.
        ParameterError: a key scope or scheme that no model absorbs, or a mean and std that are none.
        IncompatibleModelError: the model's first layer, patches or positions do not allow it; the message says why.
    """
    return absorb(model, profile, key, mean=mean, std=std).model


@dataclass(frozen=True)
class Absorbed:
    """An encrypted model and what is to be said of it.

    Attributes:
        model: the encrypted copy.
        variants: states of its first layer; 1 is one for all positions.
        moved: whether patches change their places.
        difference: largest difference of two logits between plain and encrypted, as a part of the largest.
    """

    model: "nn.Module"
    variants: int
    moved: bool
    difference: float


def absorb(
    model: "nn.Module", profile: Profile, key: SecretKey, *, mean: PerChannel = 0.5, std: PerChannel = 0.5
) -> Absorbed:
    """As :func:`encrypt_model`, with what was found on the way."""
    from blindsight.nets.first_layer import patch_embedding

    permutation = _permutation(profile, key)
    means, stds = _per_channel(mean, std, profile.channels)

    def encrypt(plain: Any) -> Any:
        return _absorb(copy.deepcopy(plain), permutation, profile, means, stds)

    encrypted, difference = require_agreement(copy.deepcopy(model).eval(), encrypt, permutation, means, stds)
    states = _states(permutation, profile, patch_embedding(model)[1])
    return Absorbed(encrypted, len(states.index), states.moves, difference)


def decrypt_model(model: "nn.Module", profile: Profile, key: SecretKey) -> "nn.Module":
    """The plain model again: it takes plain images, normalised with 0.5 and 0.5.

    For every model that :func:`encrypt_model` made, trained further or not; and for one that was trained on protected
    images from the start, where its cipher gives all positions one state (``shf`` does, ``etc`` does not).

    Args:
        model: takes images as the profile says; left as it is.
        profile: of kind ``cipher``, scope ``dataset``, with a size.
        key: the key that it names.

    Raises:
        WrongKeyError: the profile names another key.
        ParameterError: a key scope or scheme that no model absorbs.
        CorruptDataError: the model's keyed embedding was made with another key, scheme or size.
        IncompatibleModelError: the model cannot be decrypted; the message says why.
    """
    permutation = _permutation(profile, key)
    plain: nn.Module = _release(copy.deepcopy(model).eval(), permutation, profile)
    half = [0.5] * profile.channels

    def again(other: Any) -> Any:
        return _absorb(copy.deepcopy(other), permutation, profile, half, half)

    require_agreement(plain, again, permutation, half, half)
    return plain


def fold_normalisation(model: "nn.Module", mean: PerChannel, std: PerChannel, channels: int = 3) -> "nn.Module":
    """The same model for images normalised with 0.5 and 0.5: the difference goes into the first layer.

    Args:
        model: a timm model with a patch embedding, for ``(x / 255 - mean) / std``; left as it is.
        mean: one number or one a channel.
        std: likewise.
        channels: of the images.

    Raises:
        ParameterError: a mean and std that are none.
        IncompatibleModelError: the model has no patch embedding, or one without a bias that would need one.
    """
    from blindsight.nets.first_layer import patch_embedding

    means, stds = _per_channel(mean, std, channels)
    result = copy.deepcopy(model)
    name, conv = patch_embedding(result)
    if _fold(conv, means, stds) is not None:
        raise IncompatibleModelError(
            f"the first layer of {type(model).__name__}, {name}, has no bias, and another mean needs one"
        )
    return result


def absorb_orthogonal(model: "nn.Module", transform: OrthogonalBlocks) -> "nn.Module":
    """The same model for images whose blocks are multiplied by an orthogonal matrix: W' = W Q^T.

    Aso, Chuman & Kiya, arXiv 2301.03843. The queries are floats, normalised as the model takes them, then multiplied
    (:meth:`OrthogonalBlocks.apply`): no image file holds them, and so no profile and no command knows of them.

    Args:
        model: a timm model whose patches are whole numbers of the blocks; left as it is.
        transform: the keyed matrix.

    Raises:
        IncompatibleModelError: the model has no patch embedding, or its patches do not hold whole blocks.
    """
    import torch

    from blindsight.nets.first_layer import patch_embedding

    result = copy.deepcopy(model)
    name, conv = patch_embedding(result)
    side = transform.block_size
    if any(length % side for length in conv.kernel_size) or conv.in_channels != transform.channels:
        raise IncompatibleModelError(
            f"{name} sees patches of {conv.kernel_size[0]}x{conv.kernel_size[1]} with {conv.in_channels} channels, "
            f"which are not made of blocks of {side}x{side} with {transform.channels}; choose the block size to fit"
        )
    # A row of W Q^T is Q times that row of W: the weights are turned as images are.
    weights = conv.weight.detach().double().cpu().numpy().transpose(0, 2, 3, 1)
    turned = np.ascontiguousarray(transform.apply(np.ascontiguousarray(weights)).transpose(0, 3, 1, 2))
    with torch.no_grad():
        conv.weight.copy_(torch.from_numpy(turned))
    return result


def _permutation(profile: Profile, key: SecretKey) -> SignedPermutation:
    """What encrypts every image of this profile."""
    protection = Protection(profile, key)
    if profile.key_scope != "dataset":
        raise ParameterError(
            f"key scope '{profile.key_scope}' gives images different keys, and a model holds one; "
            f"encrypt with key scope dataset"
        )
    if profile.size is None:
        raise ParameterError("the profile states no image size, and a model is encrypted for one; give it a size")
    BlockGrid(*profile.size, profile.channels, protection.cipher.block_size)
    return protection.permutation(*profile.size)


def _per_channel(mean: PerChannel, std: PerChannel, channels: int) -> tuple[list[float], list[float]]:
    found = []
    for name, given in (("mean", mean), ("std", std)):
        values = [float(v) for v in ([given] * channels if isinstance(given, int | float) else given)]
        if len(values) != channels or not np.isfinite(values).all() or (name == "std" and min(values) <= 0):
            raise ParameterError(f"{name} must be {channels} finite numbers (std: above 0), got {given!r}")
        found.append(values)
    return found[0], found[1]


def _absorb(
    model: Any, permutation: SignedPermutation, profile: Profile, mean: Sequence[float], std: Sequence[float]
) -> Any:
    """Encrypts a model in place."""
    import torch

    from blindsight.nets.first_layer import attach_keyed, patch_embedding
    from blindsight.nets.keyed_embedding import KeyedConv2d, KeyedShape

    name, conv = patch_embedding(model)
    own_bias = True
    if isinstance(conv, KeyedConv2d):
        if conv.shape.variants > 1 or not conv.shape.bias:
            raise IncompatibleModelError("the model is encrypted already; change its key with rotate-model")
        # A decrypted model that was given a bias, see below.
        own_bias = False
        conv = _untied(model, name, conv)
    states = _states(permutation, profile, conv)
    bias = _fold(conv, mean, std)
    _permute_weight(conv, states.index[0], states.sign[0])
    variants = len(states.index)
    if variants > 1 or bias is not None or not own_bias:
        # A bias that the architecture does not have is the keyed embedding's to store.
        shape = KeyedShape(variants, states.rows, states.cols, bias is not None or not own_bias)
        keyed = attach_keyed(model, shape)
        index, sign = states.relative()
        with torch.no_grad():
            keyed.variant_index.copy_(torch.from_numpy(index))
            keyed.variant_sign.copy_(torch.from_numpy(sign))
            keyed.position_variant.copy_(torch.from_numpy(states.variant))
            if bias is not None:
                keyed.bias.copy_(bias)
    if states.moves:
        move_positions(model, states.source, name)
    return model


def _release(model: Any, permutation: SignedPermutation, profile: Profile) -> Any:
    """Decrypts a model in place."""
    from blindsight.nets.first_layer import attach_keyed, patch_embedding
    from blindsight.nets.keyed_embedding import KeyedConv2d, KeyedShape

    name, conv = patch_embedding(model)
    states = _states(permutation, profile, conv)
    if isinstance(conv, KeyedConv2d):
        tables = (conv.variant_index, conv.variant_sign, conv.position_variant)
        if not states.same_tables(*(table.cpu().numpy() for table in tables)):
            raise CorruptDataError(
                "the model's keyed embedding is not the one that its profile and this key give; "
                "use the run as encrypt-model or train wrote it"
            )
        had_bias, conv = not conv.shape.bias, _untied(model, name, conv)
        if not had_bias:
            conv = attach_keyed(model, KeyedShape(1, states.rows, states.cols, True))
    elif len(states.index) > 1:
        raise IncompatibleModelError(
            f"the model has one embedding for blocks in {len(states.index)} states (scheme '{profile.scheme}'), so no "
            f"model of plain images gives its logits; only what encrypt-model made has a way back for this scheme"
        )
    back = np.argsort(states.index[0])
    _permute_weight(conv, back, states.sign[0][back])
    if states.moves:
        move_positions(model, np.argsort(states.source), name)
    return model


def _states(permutation: SignedPermutation, profile: Profile, conv: Any) -> PatchStates:
    if conv.in_channels != profile.channels:
        raise IncompatibleModelError(
            f"the model takes {conv.in_channels} channels and the profile says {profile.channels}; make them agree"
        )
    patch = (int(conv.kernel_size[0]), int(conv.kernel_size[1]))
    return PatchStates.of(permutation, patch, str(profile.scheme), profile.block_size or 1)


def _permute_weight(conv: Any, index: np.ndarray, sign: np.ndarray) -> None:
    """Input j becomes ``sign[j]`` times input ``index[j]``, in place and exact."""
    import torch

    weight = conv.weight.detach()
    taken = weight.flatten(1)[:, torch.from_numpy(index).to(weight.device)]
    signed = taken * torch.from_numpy(sign).to(weight.device, weight.dtype)
    with torch.no_grad():
        conv.weight.copy_(signed.view_as(weight))


def _fold(conv: Any, mean: Sequence[float], std: Sequence[float]) -> Any:
    """Lets a layer for ``(x / 255 - mean) / std`` take 0.5 and 0.5, in place.

    With u = (x / 255 - 0.5) / 0.5 that is ``u * 0.5 / std + (0.5 - mean) / std``.

    Returns:
        The bias that the layer needs, where it has none of its own; else None.
    """
    import torch

    if set(mean) | set(std) == {0.5}:
        return None
    weight = conv.weight.detach()
    scale = torch.tensor([0.5 / s for s in std], dtype=torch.float64, device=weight.device)
    shift = torch.tensor([(0.5 - m) / s for m, s in zip(mean, std, strict=True)], dtype=torch.float64)
    more = (weight.double().sum(dim=(2, 3)) @ shift.to(weight.device)).to(weight.dtype)
    with torch.no_grad():
        conv.weight.copy_(weight.double() * scale[:, None, None])
        if conv.bias is None:
            return more if bool(shift.any()) else None
        conv.bias.add_(more)
    return None


def _untied(model: Any, name: str, keyed: Any) -> Any:
    """Puts an ordinary convolution with the keyed one's weight and bias in its place."""
    from torch import nn

    shape = (keyed.in_channels, keyed.out_channels, keyed.kernel_size)
    conv = nn.Conv2d(*shape, stride=keyed.stride, bias=keyed.bias is not None, device="meta", dtype=keyed.weight.dtype)
    conv.weight = keyed.weight
    if keyed.bias is not None:
        conv.bias = keyed.bias
    model.set_submodule(name, conv)
    return conv
