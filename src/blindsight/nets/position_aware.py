"""Patch embeddings that may read each position of the image in its own way.

EtC with one key for a data set puts each block into one of 8 orientations, negates it or not and gives its colours one
of 6 orders: 96 *states*, the same at one position in all images, others at other positions. A patch embedding shared by
all positions (``tied``) meets one picture in 96 guises, and a vision transformer trained on such images falls behind
one trained on plain ones. What can stand in its place, each begun from the tied embedding's own draw:

- ``per_position``: a matrix and a bias for each position. Lin et al. (Information 15(11):723) have a kernel for each
  patch in ConvMixers whose blocks have keys of their own.
- ``low_rank``: the shared matrix and a difference of low rank for each position, as LoRA (Hu et al., arXiv 2106.09685)
  adds to a trained matrix.
- ``states``: at each position a learned mixture of the shared matrix in its 96 states. Ours.

Patches may be as large as the encrypted blocks or divide them. All of them know positions, so a network with one of
them takes images of one size. What ``states`` selects is the key but for the order of the blocks, up to one state
common to all positions, as far as it has been learned: :func:`likely_states` reads it off. Whoever holds such a model
can, and the provider holds it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from blindsight.errors import IncompatibleModelError, ParameterError, UnknownNameError
from blindsight.nets._blocks import bias_of, state_moves
from blindsight.nets.invariant import INVARIANT, invariant

__all__ = [
    "EMBEDDINGS",
    "LikelyStates",
    "LowRankEmbedding",
    "PerPositionEmbedding",
    "PositionAware",
    "StatesEmbedding",
    "likely_states",
    "no_decay_names",
    "position_aware",
]

#: The kinds that the presets' argument ``embedding`` takes.
EMBEDDINGS = ("tied", "per_position", "low_rank", "states")


class PositionAware(nn.Module):
    """What the kinds share: an embedding (N, C, H, W) -> (N, D, rows, columns) that takes a convolution's place.

    Args:
        conv: the tied embedding, kernel and stride P; its values are what this one begins with.
        grid: (rows, columns) of patches; L of them, in row-major order.
    """

    def __init__(self, conv: nn.Conv2d, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid, self.patch = grid, int(conv.kernel_size[0])
        self.in_channels, self.out_channels = int(conv.in_channels), int(conv.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2:] != (self.grid[0] * self.patch, self.grid[1] * self.patch):
            raise IncompatibleModelError(
                f"the network was made for images of {self.grid[0] * self.patch}x{self.grid[1] * self.patch} (height, "
                f"width) and got {x.shape[-2]}x{x.shape[-1]}; its patch embedding knows every position"
            )
        patches = F.pixel_unshuffle(x, self.patch).flatten(2).permute(2, 0, 1)
        return self.embed(patches).permute(1, 2, 0).unflatten(2, self.grid)

    def embed(self, patches: Tensor) -> Tensor:
        """Patches (L, N, K) -> (L, N, D); K = C * P * P samples in the order (channel, row, column)."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        return f"{self.in_channels}, {self.out_channels}, patch={self.patch}, grid={self.grid}"


class PerPositionEmbedding(PositionAware):
    """A matrix (L, D, K) and a bias (L, D): positions share nothing.

    All begin with the tied embedding's values and not with draws of their own: then the network begins as the tied
    one, and positions that the key treats alike begin in agreement. An optimiser that scales its steps (Adam and its
    kin) moves them as fast as a shared matrix although each sees an L-th of the patches; SGD would need a larger rate.
    """

    def __init__(self, conv: nn.Conv2d, grid: tuple[int, int]) -> None:
        super().__init__(conv, grid)
        positions = grid[0] * grid[1]
        # "weight" would be taken for a convolution's by those who adapt weights to another patch size.
        self.weights = nn.Parameter(conv.weight.detach().flatten(1).repeat(positions, 1, 1))
        self.bias = nn.Parameter(bias_of(conv).repeat(positions, 1))

    def embed(self, patches: Tensor) -> Tensor:
        product = torch.bmm(patches, self.weights.transpose(1, 2))
        return product + self.bias[:, None].to(product.dtype)


class LowRankEmbedding(PositionAware):
    """The shared matrix W, and at position p the difference ``up[p] @ down[p]`` of rank r.

    ``up`` (L, D, r) begins with zeros and ``down`` (L, r, K) with draws, as in LoRA: it begins as the tied one.

    Args:
        conv: as for :class:`PositionAware`.
        grid: likewise.
        rank: r, 1 to the smaller of D and K.

    Raises:
        ParameterError: a rank out of range.
    """

    def __init__(self, conv: nn.Conv2d, grid: tuple[int, int], rank: int) -> None:
        super().__init__(conv, grid)
        positions, samples = grid[0] * grid[1], self.in_channels * self.patch**2
        if not 1 <= rank <= min(self.out_channels, samples):
            raise ParameterError(
                f"embedding_rank must be from 1 to {min(self.out_channels, samples)}, the rank of the whole matrix; "
                f"got {rank}"
            )
        self.weight = nn.Parameter(conv.weight.detach().clone())
        self.bias = nn.Parameter(bias_of(conv))
        self.up = nn.Parameter(torch.zeros(positions, self.out_channels, rank))
        self.down = nn.Parameter(torch.randn(positions, rank, samples) * samples**-0.5)

    def embed(self, patches: Tensor) -> Tensor:
        shared = F.linear(patches, self.weight.flatten(1), self.bias)
        return shared + torch.bmm(torch.bmm(patches, self.down.transpose(1, 2)), self.up.transpose(1, 2))


class StatesEmbedding(PositionAware):
    """At position p, the matrix as it reads a block in state s, weighted by ``softmax(logits[p] / temperature)``.

    State ``2 * (colours * orientation + colour order) + negative`` is that of a block which
    :class:`~blindsight.algebra.BlockPermutation` has given this orientation, colour order and sign; there are 6 colour
    orders, or 1 where images are grey. The matrices are mixed once a pass, not the patches once an image.

    Where no state is preferred a block and its negative cancel and nothing is left to learn by, so the logits begin
    with draws, of standard deviation 2 over the temperature. A small temperature makes up for how little an optimiser
    moves a number in a short training: with AdamW at 0.001 not by more than about 1 in 1,000 steps.

    Args:
        conv: as for :class:`PositionAware`, of 1 or 3 channels.
        grid: likewise.
        temperature: above 0.

    Raises:
        ParameterError: a temperature that is not above 0.
        IncompatibleModelError: another number of channels.
    """

    index: Tensor

    def __init__(self, conv: nn.Conv2d, grid: tuple[int, int], temperature: float) -> None:
        super().__init__(conv, grid)
        if not temperature > 0:
            raise ParameterError(f"embedding_temperature must be above 0, got {temperature:g}")
        if self.in_channels not in (1, 3):
            raise IncompatibleModelError(
                f"embedding 'states' knows blocks of 1 or 3 channels, got {self.in_channels}; choose 'per_position'"
            )
        self.temperature = float(temperature)
        self.weight = nn.Parameter(conv.weight.detach().clone())
        self.bias = nn.Parameter(bias_of(conv))
        moves = state_moves(self.in_channels, self.patch)
        self.register_buffer("index", torch.from_numpy(moves), persistent=False)
        self.logits = nn.Parameter(torch.randn(grid[0] * grid[1], 2 * len(moves)) * (START * self.temperature))

    def selection(self) -> Tensor:
        """The weight of each state at each position, float (L, 96 or 16); rows sum to 1."""
        return (self.logits.float() / self.temperature).softmax(1)

    def effective(self) -> Tensor:
        """The matrix of each position, (L, D, K)."""
        chosen = self.selection().unflatten(1, (-1, 2))
        signed = chosen[..., 0] - chosen[..., 1]  # a negated block is the block with its sign changed
        count, samples = self.index.shape
        turned = self.weight.flatten(1).index_select(1, self.index.flatten()).view(-1, count, samples)
        mixed = signed.to(turned.dtype) @ turned.transpose(0, 1).flatten(1)
        return mixed.view(-1, self.out_channels, samples)

    def embed(self, patches: Tensor) -> Tensor:
        product = torch.bmm(patches, self.effective().transpose(1, 2))
        return product + self.bias.to(product.dtype)


#: Standard deviation of the logits over the temperature, to begin with.
START = 2.0


@dataclass(frozen=True)
class LikelyStates:
    """The most likely state of each position, as arguments of :class:`~blindsight.algebra.BlockPermutation`.

    Attributes:
        orientation: int (L,), 0 to 7.
        negative: int (L,), 0 or 1.
        color: int (L,), 0 to 5.
        probability: float (L,), the weight of that state; 1 is certain.
    """

    orientation: NDArray[np.int64]
    negative: NDArray[np.int64]
    color: NDArray[np.int64]
    probability: NDArray[np.float64]


def likely_states(model: nn.Module) -> LikelyStates:
    """What a trained ``states`` embedding has found out about the key: true up to one state common to all positions.

    Args:
        model: a network with such an embedding.

    Raises:
        IncompatibleModelError: it has none.
    """
    embedding = next((module for module in model.modules() if isinstance(module, StatesEmbedding)), None)
    if embedding is None:
        raise IncompatibleModelError("the network has no 'states' embedding to read; train one with embedding='states'")
    probability, code = embedding.selection().detach().double().cpu().max(1)
    states = code.numpy()
    colors = len(embedding.index) // 8
    return LikelyStates(states // 2 // colors, states % 2, states // 2 % colors, probability.numpy())


def position_aware(
    conv: nn.Conv2d, kind: str, grid: tuple[int, int], *, rank: int = 8, temperature: float = 0.02
) -> nn.Module:
    """An embedding of a kind, begun from a tied one; ``tied`` is the convolution itself. Makes the invariant kinds too.

    Args:
        conv: kernel and stride P, no padding.
        kind: one of :data:`EMBEDDINGS` or of :data:`~blindsight.nets.invariant.INVARIANT`.
        grid: (rows, columns) of patches.
        rank: of ``low_rank``.
        temperature: of ``states``.

    Raises:
        UnknownNameError: another kind.
        ParameterError: a rank or temperature out of range.
        IncompatibleModelError: ``states`` on other than 1 or 3 channels.
    """
    if kind == "tied":
        return conv
    if kind == "per_position":
        return PerPositionEmbedding(conv, grid)
    if kind == "low_rank":
        return LowRankEmbedding(conv, grid, rank)
    if kind == "states":
        return StatesEmbedding(conv, grid, temperature)
    if kind in INVARIANT:
        return invariant(conv, kind)
    raise UnknownNameError.of("embedding", kind, [*EMBEDDINGS, *INVARIANT])


def no_decay_names(model: nn.Module) -> set[str]:
    """Names of the parameters that decay would spoil: logits, which it would draw to "no state preferred"."""
    return {f"{name}.logits" for name, module in model.named_modules() if isinstance(module, StatesEmbedding)}
