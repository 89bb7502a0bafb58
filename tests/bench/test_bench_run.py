"""Running cells: from images to results, again, after an interruption, and with what is wrong."""

import json
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lightning")
import torch

from bench_helpers import TINY, write_recipe
from blindsight.bench.cells import Job, cells_of, plan
from blindsight.bench.data import open_data
from blindsight.bench.prepare import bench_key, prepare
from blindsight.bench.recipe import load_recipe
from blindsight.bench.results import Result, read_results
from blindsight.bench.row import Images
from blindsight.bench.run import Runner
from blindsight.errors import BlindsightError, OutputError
from blindsight.images import read_protected
from blindsight.owner.index import default_index
from blindsight.owner.keys import load_keyset
from blindsight.owner.reveal import reveal
from blindsight.profile import Profile
from blindsight.provider.progress import TrainingProgress

NUMBERS = ("row", "column", "seed", "top1", "interval", "wrong_keys", "wrong_key_images", "test_images")


def runner_of(work: Path, text: str = TINY, **options) -> tuple[Runner, list[Job]]:
    """A runner in a folder, and the jobs of the recipe."""
    work.parent.mkdir(parents=True, exist_ok=True)
    recipe = load_recipe(write_recipe(work.parent, text))
    data = open_data("digits", work, recipe.scales["smoke"].limit)
    return Runner(recipe, "smoke", data, work, threads=1, **options), plan(cells_of(recipe, "smoke"), seeds=1)


def numbers(result: Result) -> list[object]:
    """What an interruption must not change: all but times and speeds."""
    losses = [(row["epoch"], row["train_loss"], row["lr"]) for row in result.curves]
    return [getattr(result, name) for name in NUMBERS] + [losses]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Result], list[str]]:
    """A whole run: work folder, results, and what was said."""
    work, said = tmp_path_factory.mktemp("bench") / "work", []
    runner, jobs = runner_of(work, say=said.append)
    return work, runner.run(jobs).done, said


def test_a_run_leaves_a_result_for_every_cell(done) -> None:
    work, results, said = done
    assert [f"{r.row}/{r.column}" for r in results] == ["etc/vit", "plain/vit", "plain/wide", "etc/wide", "pbm/vit"]
    for result in results:
        assert result.test_images == 20
        assert len(result.curves) == 2 == result.training["epochs"]
        assert len(result.wrong_keys) == (2 if result.row == "etc" else 0)
        assert result.wrong_key_images == (10 if result.row == "etc" else 0)
        assert result.train["seed"] == 1
    assert {r.name for r in read_results(work)} == {r.name for r in results}
    assert said[-1].endswith("; 0 cells left")
    assert any("; 4 cells left" in line for line in said)


def test_results_name_no_path_and_no_key(done) -> None:
    work, results, _ = done
    text = json.dumps([result.model_dump(mode="json") for result in results])
    assert str(work.parent) not in text
    assert "bsk1-" not in text


def test_images_are_shared_between_columns_and_reveal_with_the_bench_key(done, tmp_path: Path) -> None:
    work, _, _ = done
    names = sorted(path.name.rsplit("-", 3)[0] for path in (work / "images").iterdir() if path.suffix != ".owner")
    assert names == ["etc", "pbm", "plain"] or len(names) == 3
    hidden = next(path for path in (work / "images").iterdir() if path.name.startswith("etc") and not path.suffix)
    report = reveal(hidden, tmp_path / "back", load_keyset(work / "keys" / "seed-1.key").primary)
    assert report.images == 60


def test_what_is_done_is_not_done_again(done) -> None:
    work, results, _ = done
    said: list[str] = []
    runner, jobs = runner_of(work, say=said.append)
    assert runner.run(jobs).done == results
    assert said == []


def test_a_resumed_training_gives_the_same_numbers(done, tmp_path: Path) -> None:
    """Interrupted in the second epoch, and again between training and result."""
    _, results, _ = done

    class Stop(TrainingProgress):
        def epoch(self, row) -> None:
            if row["epoch"] == 2:  # its checkpoint is not written yet
                raise KeyboardInterrupt

    work = tmp_path / "work"
    runner, jobs = runner_of(work, progress=lambda _title, epochs: Stop(epochs))
    with pytest.raises(BlindsightError, match="interrupted; what is finished is kept: the same command goes on"):
        runner.run(jobs[:1])
    assert not (work / "results").exists()
    runner, jobs = runner_of(work)
    (again,) = runner.run(jobs[:1]).done
    assert again.resumed
    assert numbers(again) == numbers(results[0])
    shutil.rmtree(work / "results")
    runner, jobs = runner_of(work)
    (third,) = runner.run(jobs[:1]).done
    assert third.resumed
    assert numbers(third) == numbers(results[0])


KILLED = """
import os, signal, sys
from pathlib import Path
from blindsight.bench.cells import cells_of, plan
from blindsight.bench.data import open_data
from blindsight.bench.recipe import load_recipe
from blindsight.bench.run import Runner
from blindsight.provider import callbacks
from blindsight.provider.progress import TrainingProgress

callbacks.SAVE_SECONDS, callbacks.SHOW_SECONDS = 0.0, -1.0  # keeps what there is before every step

class Kill(TrainingProgress):
    def step(self, epoch, done, total):
        if (epoch, done) == (2, 2):
            os.kill(os.getpid(), signal.SIGKILL)

recipe, work = load_recipe(Path(sys.argv[1])), Path(sys.argv[2])
data = open_data("digits", work, recipe.scales["smoke"].limit)
runner = Runner(recipe, "smoke", data, work, threads=1, progress=lambda _, epochs: Kill(epochs))
runner.run(plan(cells_of(recipe, "smoke"), seeds=1)[:1])
"""


def test_kill_9_in_the_middle_of_an_epoch(done, tmp_path: Path) -> None:
    _, results, _ = done
    work = tmp_path / "work"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(write_recipe(tmp_path)), str(work)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (work / "results").exists()
    (checkpoint,) = work.rglob("last.ckpt")
    state = torch.load(checkpoint, weights_only=True)
    assert (state["epoch"], state["global_step"]) == (1, 3)  # two steps an epoch: the fourth was not kept
    runner, jobs = runner_of(work)
    (again,) = runner.run(jobs[:1]).done
    assert again.resumed
    assert numbers(again) == numbers(results[0])


def test_ctrl_c_between_trainings_is_said_the_same_way(tmp_path: Path) -> None:
    @contextmanager
    def stop(_title, _epochs):
        raise KeyboardInterrupt
        yield

    runner, jobs = runner_of(tmp_path / "work", progress=stop)
    with pytest.raises(BlindsightError, match="interrupted; what is finished is kept"):
        runner.run(jobs[:1])
    runner, jobs = runner_of(tmp_path / "work")
    assert len(runner.run(jobs[:1]).done) == 1


def test_a_changed_recipe_is_refused_not_mixed_in(done) -> None:
    work, _, _ = done
    changed = work.parent / "changed"
    shutil.copytree(work, changed)
    runner, jobs = runner_of(changed, TINY.replace("epochs: 2", "epochs: 3"))
    with pytest.raises(OutputError, match="etc/vit seed 1 was done with train epochs 2, and the recipe now says 3"):
        runner.run(jobs)
    runner, jobs = runner_of(changed, TINY.replace("{scheme: etc, block: 4", "{scheme: etc, block: 8"))
    with pytest.raises(OutputError, match="done with images block 4, and the recipe now says 8"):
        runner.run(jobs)
    runner, jobs = runner_of(changed, TINY.replace("published: etc", "published: le"))
    assert len(runner.run(jobs).done) == 5


def test_a_result_of_an_earlier_version_is_done(done, tmp_path: Path) -> None:
    """It lacks the fields that came later, which were off."""
    work = tmp_path / "work"
    shutil.copytree(done[0], work)
    for path in (work / "results").rglob("*.json"):
        stored = json.loads(path.read_bytes())
        for late in ("gray", "reductions", "soft_labels"):
            del stored["images"][late]
        path.write_text(json.dumps(stored))
    runner, jobs = runner_of(work)
    assert all(runner.work.finished(job) is not None for job in jobs)


def test_a_work_folder_is_for_one_recipe_and_data_set(done) -> None:
    work, _, _ = done
    with pytest.raises(OutputError, match=r"was begun with data .* choose another folder with --out"):
        runner_of(work, TINY.replace("train: 40", "train: 30"))
    recipe = load_recipe(write_recipe(work.parent, TINY, "other"))
    with pytest.raises(OutputError, match="was begun with recipe 'tiny', and this is 'other'"):
        Runner(recipe, "smoke", open_data("digits", work, recipe.scales["smoke"].limit), work)


def test_what_is_missing_is_skipped_and_what_fails_ends_alone(tmp_path: Path) -> None:
    text = TINY.replace("{mix: {block: 16x8, sources: 2}}", "{scheme: morse}")
    text = text.replace("wide: {train: {model_args: {depth: 1", "wide: {train: {model_args: {dept: 1")
    said: list[str] = []
    runner, jobs = runner_of(tmp_path / "work", text, say=said.append)
    outcome = runner.run(jobs)
    assert [result.column for result in outcome.done] == ["vit", "vit"]
    assert outcome.skipped == [("pbm/vit seed 1", "not here: scheme 'morse'")]
    assert [name for name, _ in outcome.failed] == ["plain/wide seed 1", "etc/wide seed 1"]
    assert "does not take these arguments" in outcome.failed[0][1]
    assert sum("skipped, not here" in line for line in said) == 1


def test_bench_keys_follow_from_the_seed_alone(tmp_path: Path) -> None:
    first = bench_key(1, tmp_path / "a")
    assert first == bench_key(1, tmp_path / "b") == bench_key(1, tmp_path / "a")
    assert first != bench_key(2, tmp_path / "a")


def test_plain_views_are_the_protected_ones_before_encryption(tmp_path: Path) -> None:
    """A plain row learns from the very crops that a protected row hides, and JPEG comes to both."""
    recipe = load_recipe(write_recipe(tmp_path))
    data = open_data("digits", tmp_path, recipe.scales["smoke"].limit)
    common = Images(size=32, views=3)
    plain = prepare(common, data, 1, tmp_path, print)
    hidden = prepare(common.over(Images(scheme="etc", block=4)), data, 1, tmp_path, print)
    shutil.rmtree(default_index(hidden.train))  # so that files keep their ids for names
    reveal(hidden.train, tmp_path / "back", hidden.key)
    back = {path.stem: path for path in (tmp_path / "back").rglob("*.png")}
    files = {path.stem: path for path in plain.train.rglob("*.png")}
    assert len(files) == 40 * 3 + 20
    assert files.keys() == back.keys()
    assert all(
        np.array_equal(read_protected(files[name], channels=3), read_protected(back[name], channels=3))
        for name in files
    )
    profile = Profile.of_folder(plain.train)
    assert profile is not None
    assert (profile.kind, profile.size) == ("plain", (32, 32))


def test_an_interrupted_plain_folder_is_made_anew(tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(tmp_path))
    data = open_data("digits", tmp_path, recipe.scales["smoke"].limit)
    folders = prepare(Images(size=32), data, 1, tmp_path, print)
    (folders.train / ".incomplete").write_text("")
    victim = next(folders.train.rglob("*.png"))
    victim.unlink()
    assert prepare(Images(size=32), data, 1, tmp_path, print) == folders
    assert victim.exists()
    assert not (folders.train / ".incomplete").exists()


def test_augmented_rows_have_four_times_the_training_images(tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(tmp_path))
    data = open_data("digits", tmp_path, recipe.scales["smoke"].limit)
    folders = prepare(Images(size=32, augment="pbm"), data, 1, tmp_path, print)
    assert len(list((folders.train / "train").rglob("*.png"))) == 4 * 40
    assert len(list((folders.test / "test").rglob("*.png"))) == 20
