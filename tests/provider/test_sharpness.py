"""Sharpness-aware minimisation: the gradient it leaves, what it leaves alone, and a training with it."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from provider_helpers import TINY
from torch import Tensor, nn

from blindsight.errors import BlindsightError, ParameterError
from blindsight.nets.runs import load_run
from blindsight.provider import classifier
from blindsight.provider.recipe import TrainConfig
from blindsight.provider.sharpness import at_worst_neighbour, sharp_closure
from blindsight.provider.training import train

HARD = {"mixup": 0.4, "cutmix": 0.4, "reprob": 0.3, "ema": 0.9, "model_args": {**TINY, "drop_path_rate": 0.2}}
CONVMIXER = {"model": "convmixer_128_4_patch4_32", "model_args": {"dim": 16, "depth": 1}}


def config(**fields: Any) -> TrainConfig:
    common = {"model_args": TINY, "epochs": 2, "batch_size": 8, "lr": 3e-3, "threads": 1, "accelerator": "cpu"}
    return TrainConfig.make({**common, **fields})


def weights(run: Path) -> dict[str, Tensor]:
    return load_run(run).model.state_dict()


def same(a: Path, b: Path) -> bool:
    one, two = weights(a), weights(b)
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


class Bowl(nn.Module):
    """0.5 w A w."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64))
        self.a = torch.diag(torch.tensor([1.0, 3.0, 10.0], dtype=torch.float64))

    def closure(self) -> Tensor:
        self.zero_grad()
        loss = 0.5 * self.w @ self.a @ self.w
        loss.backward()
        return loss.detach()


def test_the_gradient_is_that_of_the_worst_neighbour() -> None:
    bowl = Bowl()
    start = bowl.w.detach().clone()
    g = bowl.a @ start
    loss = sharp_closure(bowl.closure, bowl, 0.3)()
    assert bowl.w.grad is not None
    torch.testing.assert_close(bowl.w.grad, bowl.a @ (start + 0.3 * g / g.norm()))
    assert torch.equal(bowl.w.detach(), start)
    assert loss == 0.5 * start @ g


def test_weights_move_by_rho_and_come_back_to_the_bit() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(7, 5), nn.Linear(5, 2))
    model(torch.randn(3, 7)).square().sum().backward()
    before = [p.detach().clone() for p in model.parameters()]
    with at_worst_neighbour(model, 0.05):
        moved = [p.detach() - q for p, q in zip(model.parameters(), before, strict=True)]
        assert torch.is_grad_enabled()
    assert float(torch.cat([m.flatten() for m in moved]).norm()) == pytest.approx(0.05, rel=1e-5)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))


@pytest.mark.parametrize("gradient", [0.0, float("inf"), float("nan")])
def test_a_gradient_without_direction_moves_nothing(gradient: float) -> None:
    model = nn.Linear(2, 1, bias=False)
    before = model.weight.detach().clone()
    model.weight.grad = torch.full_like(before, gradient)
    with at_worst_neighbour(model, 0.5):
        assert torch.equal(model.weight, before)


def test_weights_come_back_after_an_error_too() -> None:
    bowl = Bowl()
    start = bowl.w.detach().clone()
    bowl.closure()
    with pytest.raises(KeyboardInterrupt), at_worst_neighbour(bowl, 1.0):
        raise KeyboardInterrupt
    assert torch.equal(bowl.w.detach(), start)


def test_both_passes_draw_alike_and_only_the_first_is_remembered() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Dropout(0.5))
    x, outputs = torch.randn(8, 6), []

    def closure() -> None:
        model.zero_grad()
        out = model(x)
        outputs.append(out.detach() == 0)
        out.square().sum().backward()

    torch.manual_seed(1)
    closure()
    once, state = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    model[1].reset_running_stats()
    torch.manual_seed(1)
    sharp_closure(closure, model, 0.05)()
    assert torch.equal(outputs[1], outputs[2])
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, once[k]) for k, v in model.state_dict().items())
    assert model[1].track_running_stats


@pytest.mark.parametrize("fields", [HARD, CONVMIXER, {**HARD, "precision": "bf16-mixed"}], ids=["vit", "norms", "bf16"])
def test_without_a_move_it_is_plain_training_to_the_bit(
    protected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    train(protected, tmp_path / "plain", config(**fields))
    monkeypatch.setattr(classifier, "sharp_closure", lambda closure, model, _rho: sharp_closure(closure, model, 0.0))
    train(protected, tmp_path / "sharp", config(**fields, sam=0.05))
    assert same(tmp_path / "plain", tmp_path / "sharp")
    rows = [list(csv.DictReader((tmp_path / n / "metrics.csv").open())) for n in ("plain", "sharp")]
    assert [r["train_loss"] for r in rows[0]] == [r["train_loss"] for r in rows[1]]


def test_it_changes_the_steps_and_not_the_loss_that_is_told(protected: Path, tmp_path: Path) -> None:
    # Without steps to speak of, the loss at the weights is the same, and that at the neighbour is not.
    losses = {}
    for rho in (0.0, 0.5):
        still = config(epochs=1, lr=1e-12, weight_decay=0.0, warmup_epochs=0, sam=rho)
        losses[rho] = train(protected, tmp_path / f"still-{rho}", still)["train_loss"]
        train(protected, tmp_path / f"moving-{rho}", config(epochs=1, sam=rho))
    assert losses[0.0] == pytest.approx(losses[0.5], abs=1e-5)
    assert not same(tmp_path / "moving-0.0", tmp_path / "moving-0.5")


class StopAfter:
    """A listener that presses Ctrl-C in the epoch after the given one."""

    def __init__(self, epoch: int) -> None:
        self.at = epoch

    def reading(self, *_: object) -> None: ...
    def note(self, _: str) -> None: ...
    def step(self, *_: object) -> None: ...
    def epoch(self, row: dict[str, Any]) -> None:
        if row["epoch"] > self.at:
            raise KeyboardInterrupt


def test_resumed_equals_uninterrupted(protected: Path, tmp_path: Path) -> None:
    recipe = config(**HARD, epochs=3, sam=0.1)
    train(protected, tmp_path / "whole", recipe)
    with pytest.raises(BlindsightError, match="interrupted"):
        train(protected, tmp_path / "broken", recipe, progress=StopAfter(1))  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match=r"sam was 0\.1 and is now 0\.0"):
        train(protected, tmp_path / "broken", recipe.model_copy(update={"sam": 0.0}), resume=True)
    train(protected, tmp_path / "broken", recipe, resume=True)
    assert same(tmp_path / "whole", tmp_path / "broken")


def test_divergence_is_said_as_ever(protected: Path, tmp_path: Path) -> None:
    wild = config(opt="sgd", lr=1e30, clip_grad=0.0, warmup_epochs=0, sam=0.1)
    with pytest.raises(BlindsightError, match=r"not finite any more .*lower --lr"):
        train(protected, tmp_path / "run", wild)


@pytest.mark.parametrize("value", [-0.1, float("inf")])
def test_a_move_that_cannot_be_made(value: float) -> None:
    with pytest.raises(ParameterError, match="sam: "):
        TrainConfig.make({"sam": value})
