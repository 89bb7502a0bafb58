"""Patch embeddings that cannot tell in which state a block is, for images that have keys of their own.

Under EtC with a key an image, a block may stand anywhere, in any of 96 states (8 orientations, negated or not, 6 colour
orders), and nothing says in which. What is left to learn from is the set of the blocks, each up to its state. A vision
transformer without position embeddings (``pos_embed="none"``) takes its tokens as a set, as Lee et al. do (Set
Transformer, arXiv 1810.00825); one of these embeddings besides makes it give an image and all its encryptions the same
logits, so that no key has to be learned:

- ``canonical``: each patch is brought to the one of its states that correlates best with a fixed template, then
  embedded. Nothing but the state is lost. Canonicalisation: Kaba et al., arXiv 2211.06489.
- ``pooled``: features of all states, by one shared matrix, averaged and maximised over the states: a group average
  (Puny et al., arXiv 2110.03336) that has no jumps, at 96 times the work of the embedding.
- ``sorted``: the samples in rising order, which no permutation inside a block changes (BPS with scrambling).
- ``folded``: their distances from mid-grey in rising order, which no signed permutation inside a block changes (SHF,
  BPS, NP, PE, EtC).

Patches as large as the blocks see a block whole. Patches that divide them work too: a turned block is its turned
patches in other places. With position embeddings the network still knows places: that is for ciphers that move no
block.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from blindsight.errors import IncompatibleModelError, UnknownNameError
from blindsight.nets._blocks import bias_of, state_moves

__all__ = ["INVARIANT", "CanonicalEmbedding", "Invariant", "PooledEmbedding", "SortedEmbedding", "invariant"]

#: The kinds that the presets' argument ``embedding`` takes besides those of :mod:`blindsight.nets.position_aware`.
INVARIANT = ("canonical", "pooled", "sorted", "folded")
#: Features of ``pooled`` for each of the outputs.
POOLED_SHARE = 3
#: Unit of the template's whole numbers; with it, sums over blocks of 64x64 pixels stay exact in float64.
UNIT = 1 << 16


class Invariant(nn.Module):
    """What the kinds share: an embedding (N, C, H, W) -> (N, D, rows, columns) that takes a convolution's place.

    Args:
        conv: the tied embedding, kernel and stride P.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.patch = int(conv.kernel_size[0])
        self.in_channels, self.out_channels = int(conv.in_channels), int(conv.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        patches = F.pixel_unshuffle(x, self.patch)
        grid = patches.shape[-2:]
        return self.embed(patches.flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, grid)

    def embed(self, patches: Tensor) -> Tensor:
        """Patches (N, L, K) -> (N, L, D); K = C * P * P samples in the order (channel, row, column)."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        return f"{self.in_channels}, {self.out_channels}, patch={self.patch}"


class _OverStates(Invariant):
    """Knows the states of a block."""

    moves: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__(conv)
        if self.in_channels not in (1, 3):
            raise IncompatibleModelError(
                f"the states of a block are known for 1 or 3 channels, got {self.in_channels}; "
                f"choose embedding 'sorted'"
            )
        moves = torch.from_numpy(state_moves(self.in_channels, self.patch))
        self.register_buffer("moves", moves, persistent=False)


class CanonicalEmbedding(_OverStates):
    """The tied matrix, on patches that were brought to one of their states first.

    That state is the one whose scalar product with a template is largest in size; where it is negative, the block is
    negated. The template grows with rows and, more slowly, with columns and channels, and has a small random part, so
    that no two states of a block tie unless they are the same. Samples and template are whole numbers here, so that
    rounding decides nothing: equal sets of samples take the same state to the bit.

    Args:
        conv: as for :class:`Invariant`, of 1 or 3 channels.

    Raises:
        IncompatibleModelError: another number of channels.
    """

    templates: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__(conv)
        self.weight = nn.Parameter(conv.weight.detach().clone())
        self.bias = nn.Parameter(bias_of(conv))
        template = torch.from_numpy(_template(self.in_channels, self.patch))
        # <template, moved patch> is <template moved back, patch>.
        turned = torch.zeros_like(self.moves).scatter_(1, self.moves, template.expand_as(self.moves))
        self.register_buffer("templates", turned, persistent=False)

    def canonical(self, patches: Tensor) -> Tensor:
        """Patches (N, L, K) in the state that is taken."""
        with torch.no_grad(), torch.autocast(patches.device.type, enabled=False):
            exact = torch.float32 if patches.device.type == "mps" else torch.float64
            scores = (patches.to(exact) * 255).round() @ self.templates.to(exact).T
            state = scores.abs().argmax(2, keepdim=True)
            sign = torch.where(scores.gather(2, state) < 0, -1, 1).to(patches.dtype)
        return patches.gather(2, self.moves[state.squeeze(2)]) * sign

    def embed(self, patches: Tensor) -> Tensor:
        return F.linear(self.canonical(patches), self.weight.flatten(1), self.bias)


class PooledEmbedding(_OverStates):
    """Features of a patch in all its states, averaged and maximised over them, then mixed.

    Args:
        conv: as for :class:`Invariant`, of 1 or 3 channels; its first outputs are what the features begin with.

    Raises:
        IncompatibleModelError: another number of channels.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__(conv)
        features = max(1, self.out_channels // POOLED_SHARE)
        self.weight = nn.Parameter(conv.weight.detach()[:features].clone())
        self.bias = nn.Parameter(bias_of(conv)[:features])
        self.mix = nn.Linear(2 * features, self.out_channels)

    def embed(self, patches: Tensor) -> Tensor:
        states, samples = self.moves.shape
        turned = self.weight.flatten(1).index_select(1, self.moves.flatten()).view(-1, states, samples)
        responses = F.linear(patches, turned.flatten(0, 1)).unflatten(2, (-1, states))
        bias = self.bias[:, None].to(responses.dtype)
        both = torch.stack([F.gelu(bias + responses), F.gelu(bias - responses)])
        pooled = torch.cat([both.mean((0, 4)), both.amax((0, 4))], 2)
        mixed: Tensor = self.mix(pooled)
        return mixed


class SortedEmbedding(Invariant):
    """The tied matrix, on the samples of a patch in rising order.

    Args:
        conv: as for :class:`Invariant`.
        fold: take each sample's distance from mid-grey instead of the sample.
    """

    def __init__(self, conv: nn.Conv2d, fold: bool) -> None:
        super().__init__(conv)
        self.fold = fold
        self.weight = nn.Parameter(conv.weight.detach().clone())
        self.bias = nn.Parameter(bias_of(conv))

    def embed(self, patches: Tensor) -> Tensor:
        # Distances are 0 to 1 and are brought to -1 to 1, as samples are.
        values = 2 * patches.abs() - 1 if self.fold else patches
        return F.linear(values.sort(2).values, self.weight.flatten(1), self.bias)


def invariant(conv: nn.Conv2d, kind: str) -> Invariant:
    """An embedding of a kind, begun from a tied one.

    Args:
        conv: kernel and stride P, no padding.
        kind: one of :data:`INVARIANT`.

    Raises:
        UnknownNameError: another kind.
        IncompatibleModelError: ``canonical`` or ``pooled`` on other than 1 or 3 channels.
    """
    if kind == "canonical":
        return CanonicalEmbedding(conv)
    if kind == "pooled":
        return PooledEmbedding(conv)
    if kind in ("sorted", "folded"):
        return SortedEmbedding(conv, fold=kind == "folded")
    raise UnknownNameError.of("embedding", kind, list(INVARIANT))


def _template(channels: int, side: int) -> np.ndarray:
    """Whole numbers (K,), the same for everybody."""
    ramp = (np.arange(side) - (side - 1) / 2) / side
    orders = np.array([0.5, 0.0, -0.5]) if channels == 3 else np.zeros(1)
    smooth = 1 + orders[:, None, None] + 4 * ramp[:, None] + 2 * ramp
    drawn = np.random.default_rng(0).uniform(-0.25, 0.25, smooth.shape)
    whole: np.ndarray = np.rint(UNIT * (smooth + drawn)).astype(np.int64).reshape(-1)
    return whole
