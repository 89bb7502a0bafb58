"""What is kept of the epochs."""

from pathlib import Path
from typing import Any

import pytest
from provider_helpers import TINY

from blindsight.provider.callbacks import BEST_NAME, LAST_NAME, EpochLog, Keeper
from blindsight.provider.training import TrainConfig, train


def test_best_epoch_is_kept_not_the_last(protected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.5, 0.9, 0.9, 0.1])

    def scored(self: Any) -> None:
        self.validation = {"val_loss": 1.0, "val_top1": next(scores)}

    monkeypatch.setattr("blindsight.provider.classifier.Classifier.on_validation_epoch_end", scored)
    config = TrainConfig.make({"model_args": TINY, "epochs": 4, "batch_size": 8, "threads": 1, "accelerator": "cpu"})
    result = train(protected, tmp_path / "run", config)
    assert (result["best_epoch"], result["val_top1"]) == (2, 0.9)
    assert {p.name for p in (tmp_path / "run" / "checkpoints").iterdir()} == {BEST_NAME, LAST_NAME}


def test_state_round_trips(tmp_path: Path) -> None:
    log, keeper = EpochLog(tmp_path), Keeper(tmp_path)
    log.rows.append({"epoch": 1, "train_loss": 0.5})
    keeper.best_epoch, keeper.best_top1, keeper.kept_epoch = 3, 0.75, 4
    other_log, other_keeper = EpochLog(tmp_path), Keeper(tmp_path)
    other_log.load_state_dict(log.state_dict())
    other_keeper.load_state_dict(keeper.state_dict())
    assert other_log.rows == log.rows
    assert other_log.rows is not log.rows
    assert other_keeper.state_dict() == keeper.state_dict()
