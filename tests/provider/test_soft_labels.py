"""Training on soft labels: from labels.csv to the loss, and what does not fit."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from provider_helpers import CLASSES, COLOURS, TINY, cipher_profile
from torch import nn
from torch.nn import functional as F

from blindsight.errors import CorruptDataError
from blindsight.labels import LABELS_NAME, labels_csv
from blindsight.profile import Profile
from blindsight.provider.classifier import Classifier, normalise
from blindsight.provider.data import ProtectedDataModule, ProtectedFolder
from blindsight.provider.evaluation import evaluate
from blindsight.provider.folders import DataFolder
from blindsight.provider.recipe import TrainConfig
from blindsight.provider.training import train

MIX = Profile(kind="mix", scheme="instahide", size=(8, 8), classes=CLASSES)
RECIPE = {"model_args": TINY, "epochs": 2, "batch_size": 8, "lr": 3e-3, "threads": 1, "accelerator": "cpu"}
Weights = dict[str, dict[str, float]]


def give_labels(root: Path, heavy: float = 0.75) -> Weights:
    """Every image's own class and the next; the weights tell images apart."""
    rows = {}
    for number, path in enumerate(sorted(root.rglob("*.png"))):
        own = path.parent.name
        other = CLASSES[(CLASSES.index(own) + 1) % 3]
        part = heavy + number / 1024
        rows[path.relative_to(root).as_posix()] = {own: part, other: 1 - part}
    (root / LABELS_NAME).write_text(labels_csv(rows))
    return rows


@pytest.fixture
def soft(write_folder: Callable[..., Path]) -> Path:
    root = write_folder(profile=MIX)
    give_labels(root)
    return root


def expected(root: Path, file: Path, rows: Weights) -> list[float]:
    weights = rows[file.relative_to(root).as_posix()]
    return [float(np.float32(weights.get(name, 0))) for name in CLASSES]


@pytest.mark.parametrize("splits", [("train", "test"), ("train", "val", "test"), ()])
def test_the_weights_of_each_file(write_folder: Callable[..., Path], splits: tuple[str, ...]) -> None:
    root = write_folder(profile=MIX, splits=splits)
    rows = give_labels(root)
    folder = DataFolder.open(root)
    assert folder.splits == splits
    for split in folder.splits or (None,):
        weights = folder.soft_labels(split)
        assert weights is not None
        assert weights.dtype == np.float32
        files, labels = folder.files(split)
        assert weights.tolist() == [expected(root, file, rows) for file in files]  # type: ignore[arg-type]
        assert weights.argmax(1).tolist() == labels


def test_hard_labels_are_none(protected: Path) -> None:
    assert DataFolder.open(protected).soft_labels("train") is None


@pytest.mark.parametrize("relative", [False, True])
def test_one_split_finds_the_labels_beside_it(soft: Path, monkeypatch: pytest.MonkeyPatch, relative: bool) -> None:
    monkeypatch.chdir(soft)
    alone = DataFolder.open(Path("train") if relative else soft / "train")
    assert np.array_equal(alone.soft_labels(None), DataFolder.open(soft).soft_labels("train"))  # type: ignore[arg-type]


def test_a_plain_folder_may_have_soft_labels(write_folder: Callable[..., Path]) -> None:
    root = write_folder(splits=())
    rows = give_labels(root)
    weights = DataFolder.open(root).soft_labels(None)
    assert weights is not None
    assert weights[0].tolist() == [float(np.float32(rows["ant/000.png"].get(name, 0))) for name in sorted(CLASSES)]


def replaced(root: Path, changes: Weights, without: str | None = None) -> None:
    rows = {**give_labels(root), **changes}
    rows.pop(without, None)  # type: ignore[arg-type]
    (root / LABELS_NAME).write_text(labels_csv(rows))


@pytest.mark.parametrize(
    ("changes", "without", "message"),
    [
        ({}, "train/ant/003.png", r"train/ant/003\.png has no row in .*labels\.csv"),
        ({"train/ant/x.png": {"ant": 1.0}}, None, r"labels\.csv has a row for 'train/ant/x\.png', which is not there"),
        ({"ant/000.png": {"ant": 1.0}}, None, r"has a row for 'ant/000\.png', which is not there"),
    ],
)
def test_labels_that_do_not_fit_the_files(soft: Path, changes: Weights, without: str | None, message: str) -> None:
    replaced(soft, changes, without)
    with pytest.raises(CorruptDataError, match=message):
        ProtectedDataModule(soft).setup("fit")
    with pytest.raises(CorruptDataError, match=message):
        ProtectedDataModule(soft).fingerprint()


def test_rows_of_another_split_are_checked_with_it(soft: Path) -> None:
    replaced(soft, {"test/ant/x.png": {"ant": 1.0}})
    folder = DataFolder.open(soft)
    assert folder.soft_labels("train") is not None
    with pytest.raises(CorruptDataError, match=r"'test/ant/x\.png', which is not there"):
        folder.soft_labels("test")


def test_labels_in_other_places_are_not_skipped(soft: Path) -> None:
    shutil.copy(soft / LABELS_NAME, soft / "train" / LABELS_NAME)
    for root in (soft, soft / "train"):
        with pytest.raises(CorruptDataError, match=r"labels\.csv lies outside the class folders"):
            DataFolder.open(root)


def test_shards_have_hard_labels(soft: Path) -> None:
    folder = DataFolder.open(soft)
    shards = DataFolder(soft, folder.profile.model_copy(update={"layout": "shards"}), ("train",), True, soft)
    with pytest.raises(CorruptDataError, match="lies beside shards"):
        shards.soft_labels("train")


# Loading


def test_batches_hold_the_weights(soft: Path) -> None:
    seen = []
    for cache in ("ram", "none"):
        module = ProtectedDataModule(soft, cache=cache, batch_size=8, threads=1, holdout=0.25)
        module.setup(None)
        assert len(module.dataset("train")) == 27
        rows = [list(module.train_dataloader()), list(module.val_dataloader()), list(module.test_dataloader())]
        for images, labels in (batch for loader in rows for batch in loader):
            assert (images.dtype, labels.dtype) == (torch.uint8, torch.float32)
            assert labels.shape == (len(images), 3)
        seen.append([(x.sum().item(), y.tolist()) for loader in rows for x, y in loader])
    assert seen[0] == seen[1]


def test_an_item_is_an_image_and_its_weights(soft: Path) -> None:
    module = ProtectedDataModule(soft, holdout=0.0)
    module.setup("fit")
    data = module.dataset("train")
    rows = give_labels(soft)
    for i in (0, 20, 35):
        file = data.files[i]
        assert isinstance(file, Path)
        assert data[i][1].tolist() == expected(soft, file, rows)  # type: ignore[union-attr]
    hard = ProtectedFolder(data.files, [2] * 36, MIX, (8, 8))
    assert hard[0][1] == 2
    assert hard.labels.dtype == torch.int64


def test_the_holdout_takes_as_much_of_every_folder(soft: Path) -> None:
    module = ProtectedDataModule(soft, holdout=0.25)
    module.setup("fit")
    assert module.held_out
    held = module.dataset("val")
    assert torch.bincount(held.labels.argmax(1)).tolist() == [3, 3, 3]
    assert sorted(file.parent.name for file in held.files) == ["ant"] * 3 + ["mole"] * 3 + ["zebra"] * 3  # type: ignore[union-attr]


def test_the_fingerprint_covers_the_weights(soft: Path) -> None:
    first = ProtectedDataModule(soft).fingerprint()
    assert ProtectedDataModule(soft).fingerprint() == first
    replaced(soft, {"train/ant/003.png": {"ant": 0.875, "mole": 0.125}})
    second = ProtectedDataModule(soft).fingerprint()
    assert second != first
    (soft / LABELS_NAME).unlink()
    assert ProtectedDataModule(soft).fingerprint() not in (first, second)


def test_the_fingerprint_of_hard_labels_is_what_it_was(write_folder: Callable[..., Path]) -> None:
    # Trainings begun before soft labels must still resume: this is the digest of version 0.1.0.
    root = write_folder(per_class=1, colours=dict.fromkeys(COLOURS, (0, 0, 0)), profile=cipher_profile())
    for path in root.rglob("*.png"):
        path.write_bytes(b"12345")
    assert ProtectedDataModule(root).fingerprint() == "ffdf8fb5aaa59131637ae6f1fdec8b9992bd42a860495fc331e06b11d1574c68"


# The loss


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 5))


BATCH = torch.randint(0, 256, (6, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
HARD = torch.tensor([0, 1, 2, 3, 4, 0])


def loss_of(labels: torch.Tensor, monkeypatch: pytest.MonkeyPatch, **fields: object) -> torch.Tensor:
    classifier = Classifier(network(), TrainConfig.make(fields), 5, 1, 10)
    monkeypatch.setattr(Classifier, "global_step", 3)
    monkeypatch.setattr(Classifier, "global_rank", 0)
    monkeypatch.setattr(classifier, "_require_finite", lambda: None)
    return classifier.training_step((BATCH, labels), 0).detach()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("mix", [{}, {"mixup": 0.8}, {"cutmix": 1.0}])
def test_whole_weights_are_hard_labels(
    smoothing: float, mix: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"smoothing": smoothing, "mix_prob": 1.0, **mix}
    hard = loss_of(HARD, monkeypatch, **fields)
    whole = loss_of(F.one_hot(HARD, 5).float(), monkeypatch, **fields)
    assert float(whole) == pytest.approx(float(hard), rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("mix", [{}, {"mixup": 0.8}, {"cutmix": 1.0}])
def test_the_loss_is_linear_in_the_weights(
    smoothing: float, mix: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"smoothing": smoothing, "mix_prob": 1.0, **mix}
    other = HARD.roll(1)
    both = 0.7 * F.one_hot(HARD, 5).float() + 0.3 * F.one_hot(other, 5).float()
    parts = [float(loss_of(labels, monkeypatch, **fields)) for labels in (HARD, other)]
    assert float(loss_of(both, monkeypatch, **fields)) == pytest.approx(0.7 * parts[0] + 0.3 * parts[1], rel=1e-5)


def test_validation_counts_against_the_heaviest_class() -> None:
    model = network()
    best = model(normalise(BATCH)).argmax(1)
    right = torch.tensor([True, True, False, True, False, False])
    heavy = torch.where(right, best, (best + 1) % 5)
    labels = 0.6 * F.one_hot(heavy, 5).float() + 0.4 * F.one_hot((heavy + 1) % 5, 5).float()
    classifier = Classifier(model, TrainConfig(), 5, 1, 10)
    classifier.on_validation_epoch_start()
    classifier.validation_step((BATCH, labels), 0)
    assert classifier._sums is not None
    loss, hits, count = classifier._sums.tolist()
    assert (hits, count) == (3, 6)
    logs = model(normalise(BATCH)).log_softmax(1)
    assert loss == pytest.approx(float(-(labels * logs).sum().detach()), rel=1e-5)


# Training


def test_training_and_evaluating(soft: Path, tmp_path: Path) -> None:
    summary = train(soft, tmp_path / "run", TrainConfig.make({**RECIPE, "epochs": 6, "mixup": 0.2}))
    assert summary["train_images"] == 33
    measured = evaluate(tmp_path / "run", soft)
    assert measured["n"] == 36
    (soft / LABELS_NAME).unlink()  # what counts is the heaviest class, and here that is the folder's
    assert evaluate(tmp_path / "run", soft) == measured


def test_the_weights_are_what_is_learnt(soft: Path, tmp_path: Path) -> None:
    weights = []
    for name in ("soft", "hard"):
        train(soft, tmp_path / name, TrainConfig.make(RECIPE))
        weights.append((tmp_path / name / "model.safetensors").read_bytes())
        (soft / LABELS_NAME).unlink(missing_ok=True)
    assert weights[0] != weights[1]


def test_evaluating_counts_the_heaviest_class_whatever_the_folder(soft: Path, tmp_path: Path) -> None:
    train(soft, tmp_path / "run", TrainConfig.make(RECIPE))
    before = {entry["id"]: entry["support"] for entry in evaluate(tmp_path / "run", soft)["classes"]}
    replaced(soft, {"test/ant/003.png": {"ant": 0.25, "mole": 0.75}})
    after = {entry["id"]: entry["support"] for entry in evaluate(tmp_path / "run", soft)["classes"]}
    assert after == {**before, "ant": before["ant"] - 1, "mole": before["mole"] + 1}


PROGRAM = """
import json, sys
from pathlib import Path
from blindsight.provider.training import TrainConfig, train

train(Path(sys.argv[1]), Path(sys.argv[2]), TrainConfig.make(json.loads(sys.argv[3])))
"""


@pytest.mark.skipif(
    not (hasattr(os, "fork") and torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="needs fork and gloo",
)
def test_two_processes_and_no_cache(soft: Path, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    fields = {**RECIPE, "batch_size": 4, "epochs": 1, "devices": 2, "cache": "none"}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, str(tmp_path / "program.py"), str(soft), str(tmp_path / "run"), json.dumps(fields)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "run" / "recipe.json").read_text())["result"]
    assert (result["train_images"], result["val_images"]) == (33, 3)
    assert np.isfinite(result["train_loss"])
