"""Training: what comes out, that it can be repeated and resumed, and what is refused."""

import csv
import errno
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from provider_helpers import CLASSES, COLOURS, TINY, cipher_profile
from rich.console import Console

from blindsight.errors import (
    BlindsightError,
    CorruptDataError,
    IncompatibleModelError,
    OutputError,
    ParameterError,
    UnknownNameError,
)
from blindsight.nets.runs import load_run
from blindsight.profile import Profile
from blindsight.provider.evaluation import evaluate
from blindsight.provider.progress import TrainingProgress
from blindsight.provider.training import TrainConfig, train


def config(**fields: Any) -> TrainConfig:
    return TrainConfig.make(
        {"model_args": TINY, "epochs": 3, "batch_size": 8, "lr": 3e-3, "threads": 1, "accelerator": "cpu", **fields}
    )


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_run(run).model.state_dict()


def same(a: Path, b: Path) -> bool:
    one, two = weights(a), weights(b)
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def test_a_run_holds_what_is_needed_and_says_so(protected: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = train(protected, out, config(epochs=8, smoothing=0.0))
    assert result["val_top1"] == 1.0
    assert (result["train_images"], result["val_images"]) == (33, 3)
    assert evaluate(out, protected)["top1"] == 1.0
    run = load_run(out)
    assert run.profile == cipher_profile()
    assert run.config["label_names"] == list(CLASSES)
    assert run.size == (8, 8)
    rows = list(csv.DictReader((out / "metrics.csv").open()))
    assert [row["epoch"] for row in rows] == [str(k) for k in range(1, 9)]
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])
    recipe = json.loads((out / "recipe.json").read_text())
    assert recipe["config"]["epochs"] == 8
    assert {"torch", "timm", "lightning", "blindsight"} <= recipe["versions"].keys()
    assert recipe["machine"]["cores"] >= 1
    assert {p.name for p in (out / "checkpoints").iterdir()} == {"last.ckpt", "best.safetensors"}
    assert not (out / ".incomplete").exists()


def test_nothing_in_a_run_names_the_place_or_the_person(protected: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(protected, out, config(epochs=1))
    for path in out.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert str(tmp_path).encode() not in content, path
            assert os.uname().nodename.encode() not in content or len(os.uname().nodename) < 4, path


def test_same_seed_same_bytes_other_seed_other_weights(protected: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(protected, tmp_path / name, config(seed=seed, epochs=1, mixup=0.5))
    one, two, three = ((tmp_path / n / "model.safetensors").read_bytes() for n in "abc")
    assert one == two != three


class StopAfter:
    """A listener that presses Ctrl-C in the epoch after the given one."""

    def __init__(self, epoch: int, error: BaseException) -> None:
        self.at, self.error = epoch, error

    def reading(self, *_: object) -> None: ...
    def note(self, _: str) -> None: ...
    def step(self, *_: object) -> None: ...
    def epoch(self, row: dict[str, Any]) -> None:
        # The row is there, the checkpoint is not yet: the epoch does not count.
        if row["epoch"] > self.at:
            raise self.error


HARD = {"mixup": 0.4, "cutmix": 0.4, "reprob": 0.3, "ema": 0.9, "model_args": {**TINY, "drop_path_rate": 0.2}}


def test_resumed_equals_uninterrupted(protected: Path, tmp_path: Path) -> None:
    recipe = config(epochs=4, **HARD)
    train(protected, tmp_path / "whole", recipe)
    broken = tmp_path / "broken"
    with pytest.raises(
        BlindsightError, match="training interrupted; go on with the same command and --resume; epoch 2"
    ):
        train(protected, broken, recipe, progress=StopAfter(2, KeyboardInterrupt()))  # type: ignore[arg-type]
    with pytest.raises(OutputError, match="has not finished"):
        load_run(broken)
    result = train(protected, broken, recipe, resume=True)
    assert same(tmp_path / "whole", broken)
    rows = [list(csv.DictReader((tmp_path / n / "metrics.csv").open())) for n in ("whole", "broken")]
    timeless = [[{k: v for k, v in row.items() if "second" not in k} for row in table] for table in rows]
    assert timeless[0] == timeless[1]
    assert len(timeless[0]) == 4
    assert result["best_epoch"] == json.loads((tmp_path / "whole" / "recipe.json").read_text())["result"]["best_epoch"]


class StopAtStep(StopAfter):
    """A listener that presses Ctrl-C after so many steps, here one a call."""

    def __init__(self, step: int) -> None:
        super().__init__(10**6, KeyboardInterrupt())
        self.left = step

    def step(self, *_: object) -> None:
        self.left -= 1
        if not self.left:
            raise self.error


@pytest.mark.parametrize("cache", ["ram", "none"])
def test_resumed_within_an_epoch_equals_uninterrupted(
    protected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    recipe = config(epochs=3, cache=cache, threads=1, **HARD)
    train(protected, tmp_path / "whole", recipe)
    broken = tmp_path / "broken"
    monkeypatch.setattr("blindsight.provider.callbacks.SAVE_SECONDS", 0.0)
    monkeypatch.setattr("blindsight.provider.callbacks.SHOW_SECONDS", -1.0)
    steps = json.loads((tmp_path / "whole" / "recipe.json").read_text())["result"]["train_images"] // recipe.batch_size
    assert steps >= 3, "too few images for an interruption in the middle"
    # In the first epoch, twice in the second, once more in it after nothing but one step.
    for stop, kept in (
        (3, "2 steps of epoch 1"),
        (steps, "epoch 1 and 1 steps of epoch 2"),
        (2, "epoch 1 and 2 steps"),
    ):
        with pytest.raises(BlindsightError, match=f"--resume; {kept}"):
            train(protected, broken, recipe, resume=broken.exists(), progress=StopAtStep(stop))  # type: ignore[arg-type]
    train(protected, broken, recipe, resume=True)
    assert same(tmp_path / "whole", broken)
    rows = [list(csv.DictReader((tmp_path / n / "metrics.csv").open())) for n in ("whole", "broken")]
    timeless = [[{k: v for k, v in row.items() if "second" not in k} for row in table] for table in rows]
    assert timeless[0] == timeless[1]


def test_interrupted_before_the_first_epoch(protected: Path, tmp_path: Path) -> None:
    with pytest.raises(BlindsightError, match="nothing was kept yet"):
        train(protected, tmp_path / "run", config(), progress=StopAfter(0, KeyboardInterrupt()))  # type: ignore[arg-type]
    assert train(protected, tmp_path / "run", config(), resume=True)["epochs"] == 3


def test_resume_refuses_what_would_give_something_else(
    protected: Path, tmp_path: Path, write_folder: Callable[..., Path]
) -> None:
    out = tmp_path / "run"
    with pytest.raises(BlindsightError):
        train(protected, out, config(), progress=StopAfter(1, KeyboardInterrupt()))  # type: ignore[arg-type]
    with pytest.raises(OutputError, match="not empty; choose another folder with --out, or go on in it with --resume"):
        train(protected, out, config())
    with pytest.raises(ParameterError, match=r"lr was 0\.003 and is now 0\.5"):
        train(protected, out, config(lr=0.5), resume=True)
    other = write_folder("other", profile=cipher_profile(key_id="bsk1-" + "b" * 16))
    with pytest.raises(ParameterError, match="begun on other data"):
        train(other, out, config(), resume=True)
    (out / "checkpoints" / "last.ckpt").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(CorruptDataError, match=r"last\.ckpt cannot be resumed from"):
        train(protected, out, config(), resume=True)


def test_resume_refuses_other_images_of_the_same_profile(protected: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(BlindsightError):
        train(protected, out, config(), progress=StopAfter(1, KeyboardInterrupt()))  # type: ignore[arg-type]
    image = protected / "train" / "ant" / "003.png"
    content = image.read_bytes()
    refused = pytest.raises(ParameterError, match="begun on other images")
    image.unlink()
    with refused:
        train(protected, out, config(), resume=True)
    image.write_bytes(content + b"more")
    with refused:
        train(protected, out, config(), resume=True)
    (protected / "train" / "mole" / "100.png").write_bytes(content)
    image.write_bytes(content)
    with refused:
        train(protected, out, config(), resume=True)
    (protected / "train" / "mole" / "100.png").unlink()
    moved = protected.rename(tmp_path / "elsewhere")
    assert train(moved, out, config(), resume=True)["epochs"] == 3


@pytest.mark.parametrize(("field", "value"), [("devices", 2), ("accelerator", "auto")])
def test_resume_refuses_other_devices(protected: Path, tmp_path: Path, field: str, value: object) -> None:
    out = tmp_path / "run"
    with pytest.raises(BlindsightError):
        train(protected, out, config(), progress=StopAfter(1, KeyboardInterrupt()))  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match=f"{field} was .* and is now {value!r}"):
        train(protected, out, config(**{field: value}), resume=True)


def test_resume_has_to_have_something(protected: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="holds nothing to resume; check the name"):
        train(protected, tmp_path / "mistyped", config(), resume=True)
    out = tmp_path / "run"
    train(protected, out, config(epochs=1))
    with pytest.raises(OutputError, match="holds a finished run"):
        train(protected, out, config(epochs=1), resume=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(OutputError, match="is not a run folder"):
        train(protected, tmp_path / "mine", config(), resume=True)
    with pytest.raises(OutputError, match="is a file"):
        train(protected, tmp_path / "mine" / "thesis.tex", config())


def test_divergence_is_one_clear_line(protected: Path, tmp_path: Path) -> None:
    with pytest.raises(BlindsightError, match=r"not finite any more .*lower --lr \(now 1e\+30\)"):
        train(protected, tmp_path / "run", config(opt="sgd", lr=1e30, clip_grad=0.0, warmup_epochs=0))


@pytest.mark.parametrize("victim", ["last.ckpt", "metrics.csv", "model.safetensors"])
def test_full_disk(protected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: str) -> None:
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if Path(target).name == victim:
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    out = tmp_path / "run"
    with pytest.raises(OutputError, match=rf"cannot write .*{victim}: No space left on device"):
        train(protected, out, config(epochs=1))
    assert not [p for p in out.rglob("*") if p.name.endswith(".tmp")]
    with pytest.raises(OutputError, match="has not finished"):
        load_run(out)
    monkeypatch.undo()
    assert train(protected, out, config(epochs=1), resume=True)["epochs"] == 1


def test_choices_that_cannot_work(protected: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown model 'vit_mikro_patch4_32'; did you mean vit_micro_patch4_32"):
        train(protected, tmp_path / "run", config(model="vit_mikro_patch4_32"))
    with pytest.raises(UnknownNameError, match="unknown optimiser 'adamv'; did you mean"):
        train(protected, tmp_path / "run2", config(opt="adamv"))
    with pytest.raises(IncompatibleModelError):
        train(protected, tmp_path / "run3", config(model="vit_micro_patch16_224", model_args={}))
    with pytest.raises(ParameterError, match="does not take these arguments"):
        train(protected, tmp_path / "run4", config(model_args={"wings": 2}))
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "run3").exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "convmixer_48_16_s2d4_32", "model_args": {"depth": 1}, "opt": "sgd", "sched": "onecycle"},
        {"opt": "lamb", "sched": "constant", "precision": "bf16-mixed"},
        {"cache": "none", "holdout": 0.0, "tensorboard": True},
        {"opt_eps": 1e-3, "ema": 0.5, "channels_last": True},
    ],
)
def test_other_recipes_run(protected: Path, tmp_path: Path, fields: dict[str, Any]) -> None:
    out = tmp_path / "run"
    result = train(protected, out, config(**{"epochs": 1, **fields}))
    assert result["best_epoch"] == 1
    assert (result["val_top1"] is None) == (fields.get("holdout") == 0.0)
    assert bool(list(out.glob("tensorboard/events*"))) == fields.get("tensorboard", False)
    assert load_run(out).model is not None


def test_starts_from_a_local_file(protected: Path, tmp_path: Path) -> None:
    train(protected, tmp_path / "first", config(epochs=1))
    start = tmp_path / "first" / "model.safetensors"
    tiny_step = config(epochs=1, checkpoint=start, lr=1e-12, weight_decay=0)
    train(protected, tmp_path / "second", tiny_step)
    one, two = weights(tmp_path / "first"), weights(tmp_path / "second")
    for name in one:
        torch.testing.assert_close(one[name], two[name], atol=1e-6, rtol=0)


def test_resuming_does_not_need_the_file_it_started_from(protected: Path, tmp_path: Path) -> None:
    train(protected, tmp_path / "first", config(epochs=1))
    start = tmp_path / "start.safetensors"
    (tmp_path / "first" / "model.safetensors").rename(start)
    train(protected, tmp_path / "whole", config(checkpoint=start))
    with pytest.raises(BlindsightError, match="interrupted"):
        train(protected, tmp_path / "broken", config(checkpoint=start), progress=StopAfter(1, KeyboardInterrupt()))  # type: ignore[arg-type]
    start.unlink()
    train(protected, tmp_path / "broken", config(checkpoint=start.name), resume=True)
    assert same(tmp_path / "whole", tmp_path / "broken")


def test_a_run_begun_before_there_were_other_normalisations_goes_on(protected: Path, tmp_path: Path) -> None:
    train(protected, tmp_path / "whole", config())
    with pytest.raises(BlindsightError, match="interrupted"):
        train(protected, tmp_path / "broken", config(), progress=StopAfter(1, KeyboardInterrupt()))  # type: ignore[arg-type]
    path = tmp_path / "broken" / "recipe.json"
    recipe = json.loads(path.read_text())
    for later in ("mean", "std", "default_size"):
        del recipe["config"][later]
    path.write_text(json.dumps(recipe))
    train(protected, tmp_path / "broken", config(), resume=True)
    assert same(tmp_path / "whole", tmp_path / "broken")


@pytest.mark.parametrize("kind", ["cipher", "mix"])
def test_only_encrypted_blocks_are_kept_whole(
    write_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """CutMix and erasing cut mixed images at any pixel: their blocks are pictures, not ciphertext."""
    from blindsight.provider import augment

    blocks = set()
    box, erase = augment.block_box, augment.random_erase

    def seen_box(height: int, width: int, block: int, *rest: Any) -> Any:
        blocks.add(block)
        return box(height, width, block, *rest)

    def seen_erase(images: torch.Tensor, block: int, *rest: Any) -> torch.Tensor:
        blocks.add(block)
        return erase(images, block, *rest)

    monkeypatch.setattr(augment, "block_box", seen_box)
    monkeypatch.setattr(augment, "random_erase", seen_erase)
    mixed = {"kind": "mix", "scheme": "pbm", "block_size": 4, "size": (8, 8), "classes": CLASSES}
    profile = cipher_profile() if kind == "cipher" else Profile.model_validate(mixed)
    result = train(write_folder(profile=profile), tmp_path / "run", config(epochs=1, cutmix=1.0, reprob=0.5))
    assert blocks == {4 if kind == "cipher" else 1}
    assert result["warnings"] == []


def test_views_without_a_val_split_are_pointed_out(write_folder: Callable[..., Path], tmp_path: Path) -> None:
    root = write_folder(profile=cipher_profile(views=4))
    (warning,) = train(root, tmp_path / "run", config(epochs=1))["warnings"]
    assert "4 views of every image" in warning


def test_progress_off_a_terminal_is_a_line_per_epoch(protected: Path, tmp_path: Path) -> None:
    text = io.StringIO()
    with TrainingProgress(3, Console(file=text, width=200)) as progress:
        train(protected, tmp_path / "run", config(), progress=progress)
    lines = text.getvalue().splitlines()
    assert "vit_micro_patch4_32" in lines[0]
    assert "visual obfuscation" in lines[1]
    assert [line.split()[1] for line in lines[2:]] == ["1/3", "2/3", "3/3"]


def test_plain_folder_takes_the_models_size(write_folder: Callable[..., Path], tmp_path: Path) -> None:
    train(write_folder(), tmp_path / "run", config(epochs=1, img_size=None, batch_size=64))
    run = load_run(tmp_path / "run")
    assert run.size == (32, 32)
    assert run.profile.classes == tuple(sorted(COLOURS))
