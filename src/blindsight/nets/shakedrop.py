"""ShakeDrop: noise on the residual branches, other forwards than backwards.

Yamada, Iwamura, Akiba & Kise, "ShakeDrop Regularization for Deep Residual Learning", IEEE Access 2019, arXiv
1802.02375, section III. For a branch F of a block whose shortcut is x, with b ~ Bernoulli(p), alpha ~ U[-1, 1] and
beta ~ U[0, 1]:

    training, forward     x + (b + alpha - b alpha) F(x)
    training, backward    x + (b + beta - b beta) F(x)
    test                  x + E[b + alpha - b alpha] F(x) = x + p F(x)

so a branch is left alone with probability p, and p falls linearly from the first block to the last.
"""

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["ShakeDrop"]


class _Scale(torch.autograd.Function):
    """One factor forwards, another backwards."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, forwards: Tensor, backwards: Tensor) -> Tensor:
        ctx.save_for_backward(backwards)
        return x * forwards

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (backwards,) = ctx.saved_tensors
        return gradient * backwards, None, None


class ShakeDrop(nn.Module):
    """What a residual branch passes through before it is added to its shortcut: (N, ...) -> (N, ...).

    b is drawn once a batch, alpha and beta once an image, as in the network that the compared methods were measured
    with. Every call takes the same three draws from torch's generator of the device, whatever they turn out to be,
    and nothing waits for their values. No branch is ever skipped, so every parameter has a gradient in every process
    of a distributed training.

    Args:
        shake: the probability 1 - p that the branch is disturbed; 0 never disturbs it.
        alpha: range of the factor forwards.
        beta: range of the factor backwards.
    """

    def __init__(
        self, shake: float, alpha: tuple[float, float] = (-1.0, 1.0), beta: tuple[float, float] = (0.0, 1.0)
    ) -> None:
        super().__init__()
        self.shake, self.alpha, self.beta = shake, alpha, beta

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x * (1 - self.shake + self.shake * sum(self.alpha) / 2)
        each = (len(x), *[1] * (x.ndim - 1))
        kept = torch.rand((), device=x.device) >= self.shake
        alpha = torch.empty(each, device=x.device).uniform_(*self.alpha)
        beta = torch.empty(each, device=x.device).uniform_(*self.beta)
        one = torch.ones((), device=x.device)
        scaled: Tensor = _Scale.apply(
            x, torch.where(kept, one, alpha).to(x.dtype), torch.where(kept, one, beta).to(x.dtype)
        )
        return scaled

    def extra_repr(self) -> str:
        return f"shake={self.shake:.3g}, alpha={self.alpha}, beta={self.beta}"
