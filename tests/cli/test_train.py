"""``blindsight train``, ``evaluate`` and ``predict`` as typed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

pytest.importorskip("torch")

from blindsight.cli.evaluate import evaluate, predict
from blindsight.cli.train import train
from blindsight.errors import BlindsightError, MissingDependencyError, ParameterError
from blindsight.profile import Profile

app = typer.Typer(pretty_exceptions_enable=False)
for command in (train, evaluate, predict):
    app.command()(command)

COLOURS = {"sky": (40, 40, 220), "lava": (220, 40, 40), "moss": (40, 220, 40)}
PROFILE = Profile(kind="plain", size=(8, 8), fit="resize", classes=tuple(COLOURS))
RECIPE = {"model_args": {"embed_dim": 32, "depth": 1, "num_heads": 2}, "batch_size": 8, "lr": 3e-3, "threads": 1}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cli") / "data"
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for name, colour in COLOURS.items():
            (root / split / name).mkdir(parents=True)
            for i in range(10):
                pixels = rng.normal(colour, 20, (8, 8, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{i}.png")
    (root / "profile.json").write_text(PROFILE.to_json())
    (root.parent / "recipe.json").write_text(json.dumps(RECIPE))
    return root


@pytest.fixture
def call() -> Callable[..., str]:
    """Runs a command; gives what it printed on standard output."""

    def run(*arguments: object, status: int = 0) -> str:
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        if isinstance(result.exception, BlindsightError):
            raise result.exception
        assert result.exit_code == status, result.output
        return result.stdout

    return run


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    out = data.parent / "run"
    arguments = ["train", data, "--out", out, "--recipe", data.parent / "recipe.json", "--epochs", 8, "--smoothing", 0]
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"wrote {out}: top-1 100.00 % on 3 validation images, epoch ")
    assert "epoch 8/8" in result.stderr
    return out


def test_options_win_over_the_recipe_file(run: Path) -> None:
    config = json.loads((run / "recipe.json").read_text())["config"]
    assert (config["epochs"], config["batch_size"], config["lr"]) == (8, 8, 3e-3)


def test_train_json(data: Path, tmp_path: Path, call: Callable[..., str]) -> None:
    recipe = data.parent / "recipe.json"
    text = call("train", data, "--out", tmp_path / "r", "--recipe", recipe, "--epochs", 1, "--json", "--img-size", 12)
    assert json.loads(text)["epochs"] == 1
    assert json.loads((tmp_path / "r" / "config.json").read_text())["pretrained_cfg"]["input_size"] == [3, 12, 12]


def test_a_named_recipe_and_options_that_win(data: Path, tmp_path: Path, call: Callable[..., str]) -> None:
    out = tmp_path / "r"
    options = ["--epochs", 1, "--batch-size", 8, "--threads", 1, "--img-size", 32, "--holdout", 0, "--std", 0.5]
    call("train", data, "--out", out, "--recipe", "pbm-densenet121", "--model", "densenet_micro", *options)
    config = json.loads((out / "recipe.json").read_text())["config"]
    assert (config["opt"], config["sched"], config["smoothing"], config["mean"]) == ("rmsprop", "constant", 0.0, 0.0)
    assert (config["epochs"], config["batch_size"], config["model"], config["std"]) == (1, 8, "densenet_micro", 0.5)
    stored = json.loads((out / "config.json").read_text())["pretrained_cfg"]
    assert (stored["mean"], stored["std"], stored["input_size"]) == ([0.0] * 3, [0.5] * 3, [3, 32, 32])


def test_re_encryption_is_refused_where_nothing_is_encrypted(
    data: Path, tmp_path: Path, call: Callable[..., str]
) -> None:
    with pytest.raises(ParameterError, match="reencrypt 'etc' is for enciphered images"):
        call("train", data, "--out", tmp_path / "r", "--reencrypt", "etc", "--img-size", 32)


def test_unknown_recipes_are_told_the_names(data: Path, tmp_path: Path, call: Callable[..., str]) -> None:
    with pytest.raises(ParameterError, match=r"no recipe 'pbm', neither a file .* of: etc, pbm-densenet121, .*pbm-vgg"):
        call("train", data, "--out", tmp_path / "r", "--recipe", "pbm")
    with pytest.raises(ParameterError, match="no recipe ''"):
        call("train", data, "--out", tmp_path / "r", "--recipe", "")
    assert not (tmp_path / "r").exists()


def test_help_names_the_recipes(call: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    from blindsight.provider.recipes import recipe_names

    monkeypatch.setenv("COLUMNS", "200")
    text = " ".join(call("train", "--help").replace("│", " ").split())
    assert ", ".join(recipe_names()) in text


def test_arguments_of_the_architecture(data: Path, tmp_path: Path, call: Callable[..., str]) -> None:
    out = tmp_path / "r"
    model = ["--model", "vit_micro_patch4_32", "--model-arg", "depth=1", "--model-arg", "embed_dim=32"]
    call("train", data, "--out", out, "--epochs", 1, *model, "--model-arg", "num_heads=2")
    arguments = json.loads((out / "config.json").read_text())["model_args"]
    assert {name: arguments[name] for name in ("depth", "embed_dim", "num_heads")} == {
        "depth": 1,
        "embed_dim": 32,
        "num_heads": 2,
    }
    with pytest.raises(BlindsightError, match=r"--model-arg takes NAME=VALUE, such as depth=4; got 'depth'"):
        call("train", data, "--out", tmp_path / "s", "--model-arg", "depth")


def test_resume_needs_no_options_again(
    data: Path, tmp_path: Path, call: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from blindsight.provider.callbacks import EpochLog

    out, recipe = tmp_path / "r", data.parent / "recipe.json"
    with monkeypatch.context() as patch:

        def stop(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(EpochLog, "on_train_batch_end", stop)
        with pytest.raises(BlindsightError, match="training interrupted"):
            call("train", data, "--out", out, "--recipe", recipe, "--epochs", 2)
    assert "epoch" in call("train", data, "--out", out, "--resume")
    with pytest.raises(BlindsightError, match="nothing to resume"):
        call("train", data, "--out", out, "--resume")


def test_evaluate(run: Path, data: Path, tmp_path: Path, call: Callable[..., str]) -> None:
    text = call("evaluate", run, data)
    assert "top-1 100.00 % (95 % interval 88.65 to 100.00) on 30 images; chance 33.33 %" in text
    assert "confusion matrix" in text
    result = json.loads(call("evaluate", run, data, "--json", "--split", "train", "--out", tmp_path / "e.json"))
    assert result["split"] == "train"
    assert json.loads((tmp_path / "e.json").read_text()) == result


def test_evaluate_plain_images_by_the_names_of_an_owners_index(
    data: Path, tmp_path: Path, call: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mixed set with opaque classes: only the index says which plain folder is which."""
    from blindsight.owner.index import Index

    ids = {"sky": "q" * 8, "lava": "a" * 8, "moss": "m" * 8}
    mixed = tmp_path / "mixed"
    for name, id in ids.items():
        shutil.copytree(data / "train" / name, mixed / id)
    profile = Profile(kind="mix", scheme="pbm", size=(8, 8), fit="resize", classes=tuple(ids.values()))
    (mixed / "profile.json").write_text(profile.model_copy(update={"opaque_classes": True}).to_json())
    index = tmp_path / "mixed.owner"
    index.mkdir()
    Index(index).write_classes({id: name for name, id in ids.items()})
    out = tmp_path / "r"
    call("train", mixed, "--out", out, "--recipe", data.parent / "recipe.json", "--epochs", 8, "--smoothing", 0)
    with pytest.raises(BlindsightError, match=r"is none of the 3 known classes .* the owner's --index says what they"):
        call("evaluate", out, data)
    monkeypatch.setenv("COLUMNS", "200")
    text = call("evaluate", out, data, "--index", index)
    assert "top-1 100.00 %" in text
    assert "lava" in text
    assert ids["lava"] not in text
    rows = json.loads(call("evaluate", out, data, "--index", index, "--json"))["classes"]
    assert {row["id"]: row["name"] for row in rows} == {id: name for name, id in ids.items()}
    with pytest.raises(BlindsightError, match="is not a folder; give the owner's index"):
        call("evaluate", out, data, "--index", tmp_path / "nowhere")


def test_predict_plain_images(run: Path, data: Path, call: Callable[..., str]) -> None:
    lava, sky = data / "test" / "lava" / "0.png", data / "test" / "sky" / "1.png"
    lines = call("predict", run, lava, sky, "--top", 1).splitlines()
    assert lines[0] == str(lava)
    assert lines[1].endswith(" lava")
    assert lines[3].endswith(" sky")
    answers = json.loads(call("predict", run, sky, "--json"))["images"]
    assert answers[0]["predictions"][0]["class"] == "sky"
    assert sum(p["probability"] for p in answers[0]["predictions"]) == pytest.approx(1)


def test_a_key_is_refused_where_none_is_needed(run: Path, data: Path, call: Callable[..., str]) -> None:
    with pytest.raises(ParameterError, match="no key is needed; leave --key out"):
        call("predict", run, data / "test" / "sky" / "1.png", "--key", "owner.key")


def test_bad_options_are_named(data: Path, tmp_path: Path, call: Callable[..., str]) -> None:
    with pytest.raises(ParameterError, match=r"sched: .*got 'step'"):
        call("train", data, "--out", tmp_path / "r", "--sched", "step")
    with pytest.raises(ParameterError, match="a size is pixels"):
        call("train", data, "--out", tmp_path / "r", "--img-size", "big")
    with pytest.raises(BlindsightError, match="is not a folder"):
        call("predict", tmp_path / "none", data)


def test_missing_extra_is_named(
    data: Path, tmp_path: Path, call: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blindsight.cli._common.find_spec", lambda name: None if name == "timm" else object())
    with pytest.raises(MissingDependencyError, match=r"training needs timm, .*pip install 'blindsight\[provider\]'"):
        call("train", data, "--out", tmp_path / "r")


@pytest.mark.parametrize("name", ["train", "evaluate", "predict"])
def test_help_has_an_example(name: str, call: Callable[..., str]) -> None:
    assert f"Example: blindsight {name}" in call(name, "--help")


def test_owner_and_provider_meet(tmp_path: Path, call: Callable[..., str]) -> None:
    """Key, protect, train without the key, predict with it and without it."""
    from blindsight.owner.keyfile import create_keyfile
    from blindsight.owner.keyset import Keyset
    from blindsight.owner.protect import ProtectOptions, protect
    from blindsight.owner.sources import FolderSource

    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(10):
            pixels = rng.normal(colour, 20, (16, 16, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    keyset = Keyset.new()
    create_keyfile(tmp_path / "owner.key", keyset, None)
    options = ProtectOptions(scheme="np", block_size=4, opaque_classes=True)
    protect(FolderSource(tmp_path / "photos"), tmp_path / "out", keyset.primary, options)
    recipe, run = tmp_path / "recipe.json", tmp_path / "run"
    recipe.write_text(json.dumps({**RECIPE, "smoothing": 0}))
    call("train", tmp_path / "out", "--out", run, "--recipe", recipe, "--epochs", 12)
    photo = tmp_path / "photos" / "moss" / "3.png"
    owner = ["--key", tmp_path / "owner.key", "--index", tmp_path / "out.owner", "--json"]
    best = json.loads(call("predict", run, photo, *owner))["images"][0]["predictions"][0]
    assert best["name"] == "moss"
    folder = tmp_path / "out" / best["class"]
    answers = json.loads(call("predict", run, *sorted(folder.iterdir()), "--json"))["images"]
    found = [(a["predictions"][0]["class"], a["predictions"][0]["name"]) for a in answers]
    assert found.count((best["class"], None)) >= 9
    Image.new("RGB", (30, 30)).save(tmp_path / "plain.png")
    with pytest.raises(BlindsightError, match="the run takes protected images of 16x16; if it is a plain image, give"):
        call("predict", run, tmp_path / "plain.png")
    other = Keyset.new()
    create_keyfile(tmp_path / "other.key", other, None)
    with pytest.raises(BlindsightError, match=keyset.primary.id):
        call("predict", run, photo, "--key", tmp_path / "other.key")
