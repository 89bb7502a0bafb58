"""The module that trains: its numbers in, its schedules, what it keeps."""

import pytest
import torch
from torch import nn

from blindsight.errors import UnknownNameError
from blindsight.provider.classifier import Classifier, normalise, schedule_factor, wants_channels_last
from blindsight.provider.recipe import TrainConfig


def test_negation_is_exactly_a_change_of_sign() -> None:
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(normalise(255 - values), -normalise(values))
    assert normalise(values).aminmax() == (torch.tensor(-1.0), torch.tensor(1.0))
    # Runs trained by earlier versions were given these very floats.
    assert torch.equal(normalise(values), values.float().mul(2.0).sub(255.0).div(255.0))


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.485, 0.229), (1.0, 0.25)])
def test_other_normalisations(mean: float, std: float) -> None:
    values = torch.arange(256, dtype=torch.uint8)
    torch.testing.assert_close(normalise(values, mean, std).double(), (values.double() / 255 - mean) / std)
    if std == 1.0:
        assert torch.equal(normalise(values, mean, std), values.float() / 255)


def curve(**fields: object) -> list[float]:
    config = TrainConfig.make({"epochs": 10, **fields})
    return [schedule_factor(step, 1000, config) for step in range(1001)]


def test_cosine_rises_through_the_warm_up_and_falls_to_the_end() -> None:
    values = curve(sched="cosine", warmup_epochs=2, min_lr=0.05)
    assert values[:200] == sorted(values[:200])
    assert 0 < values[0] < 0.01
    assert values[200] == pytest.approx(1.0)
    assert values[200:] == sorted(values[200:], reverse=True)
    assert values[600] == pytest.approx((1 + 0.05) / 2, abs=1e-3)
    assert values[1000] == pytest.approx(0.05)


def test_onecycle_peaks_at_three_tenths() -> None:
    values = curve(sched="onecycle")
    assert values[0] == pytest.approx(1 / 25)
    assert values.index(max(values)) == 300
    assert max(values) == pytest.approx(1.0)
    assert values[999] == pytest.approx(4e-6)


def test_constant() -> None:
    values = curve(sched="constant", warmup_epochs=1)
    assert values[50] < 0.6
    assert set(values[100:]) == {1.0}


def test_no_warm_up_starts_at_the_top() -> None:
    assert curve(sched="cosine", warmup_epochs=0)[0] == 1.0


@pytest.mark.parametrize(("epochs", "warmup"), [(1, 0.1), (20, 2.0), (300, 5.0)])
def test_default_warm_up(epochs: int, warmup: float) -> None:
    assert TrainConfig(epochs=epochs).warmup == pytest.approx(warmup)


def network() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 5))


def test_what_is_kept_is_the_moving_average_where_there_is_one() -> None:
    plain = Classifier(network(), TrainConfig(), 5, 1, 10)
    assert plain.best_module is plain.model
    averaged = Classifier(network(), TrainConfig(ema=0.9), 5, 1, 10)
    assert averaged.ema is not None
    assert averaged.best_module is averaged.ema.module
    assert averaged.best_module is not averaged.model


def test_forward_takes_bytes() -> None:
    model = network()
    images = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    assert torch.equal(Classifier(model, TrainConfig(), 5, 1, 10)(images), model(normalise(images)))
    raw = TrainConfig(mean=0.0, std=1.0)
    assert torch.equal(Classifier(model, raw, 5, 1, 10)(images), model(images.float() / 255))


def test_unknown_optimiser_is_named() -> None:
    with pytest.raises(UnknownNameError, match="unknown optimiser 'adamv'"):
        Classifier(network(), TrainConfig(opt="adamv"), 5, 1, 10).configure_optimizers()


def test_convolutional_networks_want_channels_last() -> None:
    assert not wants_channels_last(nn.Sequential(nn.Conv2d(3, 4, 4)))
    assert wants_channels_last(nn.Sequential(nn.Conv2d(3, 4, 4), nn.Conv2d(4, 4, 1)))


class Asking(nn.Linear):
    def regularisation(self) -> torch.Tensor:
        return 0.5 * self.weight.square().sum()


def test_what_the_network_asks_for_is_in_the_loss() -> None:
    images, labels = torch.randint(0, 256, (4, 3, 4, 4), dtype=torch.uint8), torch.arange(4)
    losses = {}
    for kind in (nn.Linear, Asking):
        torch.manual_seed(0)
        layer = kind(3 * 4 * 4, 5)
        classifier = Classifier(nn.Sequential(nn.Flatten(), layer), TrainConfig(), 5, 1, 10)
        losses[kind] = classifier.training_step((images, labels), 1)
        losses[kind].backward()
    penalty = 0.5 * layer.weight.detach().square().sum()
    torch.testing.assert_close(losses[Asking] - losses[nn.Linear], penalty)
    assert classifier._losses is not None
    torch.testing.assert_close(classifier._losses, losses[Asking].detach())
