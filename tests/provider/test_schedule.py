"""Shapes of the learning-rate schedules."""

import pytest

from blindsight.provider.classifier import schedule_factor
from blindsight.provider.recipe import TrainConfig


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
