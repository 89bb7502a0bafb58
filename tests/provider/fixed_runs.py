"""Runs of networks that were never trained."""

import torch
from provider_helpers import CLASSES

from blindsight.nets.runs import Run
from blindsight.profile import Profile


class MeanColour(torch.nn.Module):
    """Knows the three classes by their mean colour without any training."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 50 * x.mean((2, 3))


def run_of(profile: Profile, model: torch.nn.Module | None = None) -> Run:
    config = {"architecture": "mean", "pretrained_cfg": {"input_size": [3, 8, 8]}}
    return Run(model or MeanColour(), profile, config)


class Broken(torch.nn.Module):
    """Gives one number that is none."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(len(x), len(CLASSES))
        logits[-1, 1] = self.value
        return logits
