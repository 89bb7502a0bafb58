"""benchmarks/pbm.py and pbm_report.py: what is compared with what, what is run, and what is said of it."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "benchmarks"
PARTS = ("grid", "named", "isotropic", "neighbours")


@pytest.fixture
def pbm(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("pbm")


@pytest.fixture
def report(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("pbm_report")


class Commands:
    """Stands in for the commands: notes what was called and leaves behind what each would leave."""

    def __init__(self, failing=""):
        self.calls, self.failing = [], failing

    def __call__(self, *arguments):
        words = [str(a) for a in arguments]
        self.calls.append(words)
        if self.failing and self.failing in " ".join(words):
            raise RuntimeError("blindsight train: exit status 1: it was to fail")
        if words[0] == "key":
            Path(words[2]).write_bytes(b"key")
        elif words[0] in ("mix", "augment"):
            Path(words[2]).mkdir(parents=True)
            (Path(words[2]) / "profile.json").write_text("{}")
        elif words[0] == "train":
            out = Path(words[words.index("--out") + 1])
            out.mkdir(parents=True, exist_ok=True)
            result = {"train_images": 1300, "parameters": 7, "train_loss": 0.5, "precision": "x", "cpu_seconds": 9.0}
            recipe = {"config": {"batch_size": 32}, "versions": {}, "machine": {}, "result": result}
            (out / "recipe.json").write_text(json.dumps(recipe))
            (out / "model.safetensors").write_bytes(b"")
        else:
            found = {"n": 300, "top1": 0.8, "loss": 0.4, "confusion": [[1]], "top1_interval": [0.75, 0.84]}
            return json.dumps(found)
        return ""

    def of(self, command):
        return [words for words in self.calls if words[0] == command]


def test_every_arm_of_a_network_takes_the_same_number_of_steps(pbm):
    for part in PARTS:
        passes = {}
        for task in pbm.TASKS:
            for run in pbm.plan(part, task):
                images = 1000 * (importlib.import_module("pbm_plan").AUGMENTATION if run.augmented else 1)
                passes.setdefault(run.network.model, set()).add(run.epochs * images)
        assert passes
        assert all(len(numbers) == 1 for numbers in passes.values()), passes


def test_blocks_tile_the_images_and_there_are_as_many_as_said(pbm):
    for side, shapes in pbm.BLOCKS.items():
        for count, shape in shapes.items():
            height, width = map(int, shape.split("x"))
            assert side % height == side % width == 0
            assert (side // height) * (side // width) == count


def test_the_grid_is_the_one_described(pbm):
    arms = ["plain", "plain-x4", *(f"pbm{n}{x}" for n in (8, 16, 32, 128) for x in ("", "-x4"))]
    assert [run.name for run in pbm.plan("grid", "race")][:10] == [f"grid-race-resnet_micro-{a}-s1" for a in arms]
    runs = [run for part in PARTS for task in pbm.TASKS for run in pbm.plan(part, task)]
    assert len({run.name for run in runs}) == len(runs)
    assert {run.seed for run in pbm.plan("grid", "gender")} == {1, 2, 3}
    # Each network of the paper on the data sets it had there, and PBM at each seed with a key of that seed.
    assert {run.network.model for run in pbm.plan("named", "race")} == {"resnet50", "densenet121"}
    assert all(run.images.endswith(f"-k{run.seed}") for run in runs if run.method != "plain")


def test_a_run_is_the_commands_a_user_would_type(pbm, tmp_path):
    call = Commands()
    run = next(r for r in pbm.plan("grid", "gender") if r.arm == "pbm16-x4" and r.seed == 2)
    assert pbm.Bench(tmp_path / "data", tmp_path / "work", call).run([run], jobs=1) == 0
    work = str(tmp_path / "work")
    mixed = f"{work}/images/gender-64-pbm16-k2"
    assert call.calls[0] == ["key", "new", f"{work}/key-2.bin"]
    assert call.calls[1][:3] == ["mix", str(tmp_path / "data/gender"), mixed]
    options = "--size 64 --block 32x8 --sources 10 --probability 0.5"
    assert call.calls[1][3:] == ["--key", f"{work}/key-2.bin", *options.split()]
    assert call.calls[2][:3] == ["augment", mixed, mixed + "-x4"]
    assert call.calls[3][:2] == ["train", mixed + "-x4"]
    assert call.calls[3][call.calls[3].index("--holdout") + 1] == "0"
    assert call.calls[3][call.calls[3].index("--epochs") + 1] == str(run.network.epochs // 4)
    assert call.calls[4][:3] == ["evaluate", f"{work}/runs/{run.name}", str(tmp_path / "data/gender")]
    text = (tmp_path / "work" / "runs.jsonl").read_text()
    assert str(tmp_path) not in text
    line = json.loads(text)
    assert (line["top1"], line["interval"], line["blocks"], line["augmented"]) == (0.8, [0.75, 0.84], 16, True)
    assert line["steps"] == run.epochs * 40
    assert "blindsight mix DATA/gender WORK/images/gender-64-pbm16-k2 --key KEY" in line["commands"][0]


def test_arms_share_their_mixed_images_and_done_runs_are_not_repeated(pbm, tmp_path):
    call = Commands()
    runs = [r for r in pbm.plan("grid", "gender") if r.seed == 1]
    bench = pbm.Bench(tmp_path / "data", tmp_path / "work", call)
    assert bench.run(runs[:4], jobs=2) == 0
    assert (len(call.of("mix")), len(call.of("train"))) == (2, 4)
    assert bench.run(runs, jobs=2) == 0
    assert (len(call.of("mix")), len(call.of("train"))) == (5, 10)
    assert len(call.of("key")) == 1
    assert len(pbm.read_lines(tmp_path / "work" / "runs.jsonl")) == 10


def test_plain_images_are_augmented_at_the_size_of_mixed_ones(pbm, tmp_path):
    call = Commands()
    run = next(r for r in pbm.plan("grid", "gender") if r.arm == "plain-x4")
    assert pbm.Bench(tmp_path / "data", tmp_path / "work", call).run([run], jobs=1) == 0
    (mix,) = call.of("mix")
    assert " ".join(mix).endswith("--size 64 --block 64x64 --sources 0 --probability 0")
    assert call.of("augment")[0][1:3] == [mix[2], mix[2] + "-x4"]


def test_arguments_of_a_model_go_into_a_recipe_file(pbm, tmp_path):
    call = Commands()
    run = next(r for r in pbm.plan("named", "gender") if r.network.model == "vgg16")
    assert pbm.Bench(tmp_path / "data", tmp_path / "work", call).run([run], jobs=1) == 0
    (train,) = call.of("train")
    recipe = json.loads(Path(train[train.index("--recipe") + 1]).read_text())
    assert recipe["model_args"] == {"mlp_ratio": 0.125}
    assert (recipe["opt"], recipe["lr"], recipe["batch_size"]) == ("sgd", 0.005, 8)
    assert "--recipe WORK/pbm-vgg16-changed.json" in (tmp_path / "work" / "runs.jsonl").read_text()


def test_what_was_cut_off_goes_on(pbm, tmp_path):
    call = Commands()
    run = next(r for r in pbm.plan("grid", "gender") if r.arm == "pbm8")
    begun = tmp_path / "work" / "runs" / run.name
    begun.mkdir(parents=True)
    (begun / "recipe.json").write_text("{}")
    (begun / ".incomplete").write_text("")
    assert pbm.Bench(tmp_path / "data", tmp_path / "work", call).run([run], jobs=1) == 0
    assert call.of("train")[0][-1] == "--resume"
    assert "--resume" not in call.of("mix")[0]


def test_a_failed_run_is_named_and_the_others_go_on(pbm, tmp_path, capsys):
    call = Commands(failing="pbm32")
    runs = [r for r in pbm.plan("grid", "gender") if r.seed == 1]
    assert pbm.Bench(tmp_path / "data", tmp_path / "work", call).run(runs, jobs=2) == 2
    said = capsys.readouterr().out
    assert "grid-gender-resnet_micro-pbm32-s1 FAILED: blindsight train: exit status 1: it was to fail" in said
    assert len(pbm.read_lines(tmp_path / "work" / "runs.jsonl")) == 8


def test_run_needs_data(pbm, capsys):
    with pytest.raises(SystemExit, match="2"):
        pbm.main(["run"])
    assert "run needs --data DIR" in capsys.readouterr().err


def lines_of(tops, **fields):
    common = {"part": "grid", "task": "gender", "model": "resnet_micro", "method": "plain", "blocks": None}
    common |= {"augmented": False, "interval": [0.7, 0.9], "n": 300, "steps": 960, "cpu_seconds": 50.0, **fields}
    return [{**common, "seed": seed, "top1": top, "name": f"{fields}{seed}"} for seed, top in enumerate(tops, 1)]


def test_summary_is_mean_and_sample_deviation(report):
    assert report.summary([0.8, 0.9, 1.0]) == pytest.approx((0.9, 0.1))
    assert report.summary([0.8]) == (0.8, None)


def test_mixing_is_compared_with_plain_images_of_the_same_augmentation(report):
    lines = lines_of([0.9, 0.8, 0.85], method="pbm", blocks=16, augmented=True)
    lines += lines_of([0.8, 0.8, 0.8]) + lines_of([0.95, 0.95, 0.95], augmented=True)
    rows = [row.split(" | ") for row in report.table(lines, "grid").splitlines()[2:]]
    assert [row[2:7] for row in rows] == [
        ["plain", "", "80.0 ± 0.0", "80.0, 80.0, 80.0", ""],
        ["plain + augmented", "", "95.0 ± 0.0", "95.0, 95.0, 95.0", ""],
        ["mixed + augmented", "16", "85.0 ± 5.0", "90.0, 80.0, 85.0", "10.0"],
    ]
    assert report.table(lines, "named").count("\n") == 1


def test_one_seed_shows_its_interval(report):
    row = report.table(lines_of([0.8]), "grid").splitlines()[2]
    assert "| 80.0 | 70.0 to 90.0 |" in row


def test_tables_and_figures_are_written(report, tmp_path):
    pytest.importorskip("matplotlib")
    lines = lines_of([0.8, 0.9, 0.85]) + lines_of([0.7, 0.75, 0.8], method="pbm", blocks=8)
    text = report.write_tables(lines, tmp_path)
    assert "mixed | 8 | 75.0 ± 5.0" in text
    assert json.loads((tmp_path / "pbm-grid.json").read_text()) == sorted(lines, key=lambda line: line["name"])
    first = (tmp_path / "pbm-accuracy.svg").read_bytes()
    assert (tmp_path / "pbm-accuracy.png").stat().st_size > 1000
    report.write_tables(lines, tmp_path)
    assert (tmp_path / "pbm-accuracy.svg").read_bytes() == first


def test_crops_are_squares_of_the_photograph(report):
    photo = np.arange(427 * 640 * 3, dtype=np.int64).reshape(427, 640, 3).astype(np.uint8)
    found = report.crops(photo, 15, 240)
    assert [crop.shape for crop in found] == [(240, 240, 3)] * 15
    assert np.array_equal(found[0], photo[:240, :240])
    assert np.array_equal(found[7], photo[:240, 400:])
    assert len({crop.tobytes() for crop in found}) == 15


@pytest.fixture
def paired(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("pbm_paired")


def test_intervals_are_of_the_paired_difference(paired):
    rng = np.random.default_rng(0)
    plain = rng.random((3, 300)) < 0.9
    same = paired.interval(plain, plain, draws=200)
    assert same[0] == 0
    assert same[1] <= 0 <= same[2]
    # One seed, five images of 300 lost: pairing sees far less than the +-4.7 points of two samples apart.
    worse = plain[:1].copy()
    worse[0, np.flatnonzero(plain[0])[:5]] = False
    difference, low, high = paired.interval(worse, plain[:1], draws=2000)
    assert difference == pytest.approx(-5 / 300)
    assert -0.04 < low < difference < high <= 0
    # Seeds that differ widen it.
    apart = np.stack([plain[0], plain[0], np.zeros(300, bool)])
    _, low, high = paired.interval(apart, plain, draws=200)
    assert high - low > 0.5


def test_each_arm_is_paired_with_plain_and_with_itself_unaugmented(paired, monkeypatch, tmp_path):
    lines = lines_of([0.8, 0.8]) + lines_of([0.9, 0.9], augmented=True)
    lines += lines_of([0.7, 0.7], method="pbm", blocks=16) + lines_of(
        [0.6, 0.6], method="pbm", blocks=16, augmented=True
    )
    tops = {line["name"]: line["top1"] for line in lines}
    monkeypatch.setattr(paired, "right_answers", lambda run, _: np.arange(10) < 10 * tops[run.name])
    rows = paired.compare(lines, tmp_path, tmp_path)
    assert [(row["arm"], row["against"], row["difference"]) for row in rows] == [
        ("plain + augmented", "plain", 10.0),
        ("mixed, N_b = 16", "plain", -10.0),
        ("mixed + augmented, N_b = 16", "plain + augmented", -30.0),
        ("mixed + augmented, N_b = 16", "mixed, N_b = 16", -10.0),
    ]
    assert "| mixed, N_b = 16 | plain | -10.0 |" in paired.table(rows)
