"""Sharpness-aware minimisation: steps by the gradient at the worst neighbour of the weights, not at the weights.

Foret, Kleiner, Mobahi & Neyshabur, "Sharpness-Aware Minimization for Efficiently Improving Generalization", ICLR 2021
(arXiv 2010.01412), algorithm 1 with p = 2; Chen, Hsieh & Gong (arXiv 2106.01548) on vision transformers trained from
scratch with it. A step costs two passes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["at_worst_neighbour", "sharp_closure"]


def sharp_closure(closure: Callable[[], Any], model: nn.Module, rho: float) -> Callable[[], Any]:
    """A closure that leaves the gradient of the worst neighbour behind, and weights as they were.

    Both passes see the same dropout and drop path: torch's generators stand afterwards where one pass would have left
    them. Batch norm's running statistics are those of the first pass alone.

    Args:
        closure: clears the gradients, makes a forward and a backward pass, returns the loss.
        model: whose weights move.
        rho: how far, in the Euclidean norm of all weights together; 0 gives what ``closure`` gives.

    Returns:
        To be called in the place of ``closure``; returns the loss at the weights themselves.
    """
    device = next(model.parameters()).device
    devices = [device] if device.type == "cuda" else []

    def both() -> Any:
        with torch.random.fork_rng(devices=devices):
            loss = closure()
        with at_worst_neighbour(model, rho), _frozen_statistics(model):
            closure()
        return loss

    return both


@contextmanager
@torch.no_grad()
def at_worst_neighbour(model: nn.Module, rho: float) -> Iterator[None]:
    """Moves the weights by ``rho * g / |g|``, g their gradient, and puts the very same numbers back at the end.

    Where the gradient is zero or not finite (float16's overflows) they stay where they are.
    """
    moving = [p for p in model.parameters() if p.grad is not None]
    norm = torch.nn.utils.get_total_norm([p.grad for p in moving])
    before = [p.detach().clone() for p in moving]
    if bool(torch.isfinite(norm)) and float(norm) > 0:
        for p in moving:
            p.add_(p.grad, alpha=float(rho / norm))
    try:
        with torch.enable_grad():
            yield
    finally:
        for p, value in zip(moving, before, strict=True):
            p.copy_(value)


@contextmanager
def _frozen_statistics(model: nn.Module) -> Iterator[None]:
    """Batch norms normalise by the batch, as ever, and do not take it into their running statistics."""
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
