"""The demo's data, its page and a run of it in its smallest form."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blindsight.cli.main import main
from blindsight.demo.journey import Scale, run_demo, top1_under_key
from blindsight.demo.pictures import load_digits, load_photo, write_tree
from blindsight.errors import OutputError
from blindsight.images import read_image
from blindsight.owner.keys import load_keyset
from blindsight.profile import Profile


def test_digits_are_all_there_in_colour_and_always_the_same() -> None:
    images, labels = load_digits()
    assert images.shape == (1797, 32, 32, 3)
    assert images.dtype == np.uint8
    assert np.array_equal(np.unique(labels), np.arange(10))
    assert (images[..., 0] != images[..., 1]).any(axis=(1, 2)).all(), "some digit is grey"
    assert np.array_equal(load_digits(50)[0], load_digits(50)[0])


def test_tree_keeps_a_quarter_for_the_test(tmp_path: Path) -> None:
    write_tree(*load_digits(100), tmp_path)
    assert len(list((tmp_path / "test").rglob("*.png"))) == 25
    assert len(list((tmp_path / "train").rglob("*.png"))) == 75


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("demo") / "demo"
    lines: list[str] = []
    made = run_demo(folder, Scale(digits=120, epochs={"ViT": 1, "ConvMixer": 1}), lines.append)
    return made, lines


def test_demo_leaves_what_the_commands_would(report) -> None:
    made, lines = report
    folder = made.folder
    keyset = load_keyset(folder / "owner.key")
    profile = Profile.of_folder(folder / "protected")
    assert profile is not None
    assert profile.key_id == keyset.primary.id
    assert [row.model for row in made.rows] == ["ViT", "ConvMixer"]
    assert all(len(row.wrong_keys) == 5 for row in made.rows)
    assert (folder / "runs" / "vit-protected" / "model.safetensors").exists()
    revealed = np.asarray(Image.open(folder / "revealed-photo" / "china.png"))
    assert np.array_equal(revealed, load_photo())
    said = "\n".join(lines)
    for command in ("key new", "protect", "train", "reveal"):
        assert f"blindsight {command}" in said
    recipe = folder / "vit-recipe.json"
    assert f"--recipe {recipe}" in said
    made_with = json.loads((folder / "runs" / "vit-protected" / "recipe.json").read_text())["config"]
    assert json.loads(recipe.read_text()).items() <= made_with.items()
    json.dumps(made.as_json())


def test_page_is_whole_self_contained_and_honest(report) -> None:
    made, _ = report
    text = made.page.read_text(encoding="utf-8")

    class Links(HTMLParser):
        found: list[str]

        def __init__(self) -> None:
            super().__init__()
            self.found = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
            self.found += [value or "" for name, value in attrs if name in ("src", "href")]

    parser = Links()
    parser.feed(text)
    assert parser.found
    assert all(link.startswith("data:image/png;base64,") for link in parser.found)
    assert "equal bit for bit" in text
    assert "It is not cryptography" in text
    assert not re.search(r"\{\{|\{%", text)


def test_the_right_key_gives_the_accuracy_that_evaluate_gives(report) -> None:
    from blindsight.nets.runs import load_run
    from blindsight.provider.evaluation import evaluate

    made, _ = report
    run = load_run(made.folder / "runs" / "convmixer-protected")
    files = sorted((made.folder / "digits" / "test").rglob("*.png"))
    images = [read_image(file) for file in files]
    labels = np.array([int(file.parent.name) for file in files])
    key = load_keyset(made.folder / "owner.key").primary
    right = top1_under_key(run, images, labels, key)
    assert right == pytest.approx(evaluate(run, made.folder / "protected")["top1"])


def test_a_folder_in_use_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(OutputError, match="is not empty"):
        run_demo(tmp_path, Scale.quick(), print)
    with pytest.raises(SystemExit) as stop:
        main(["demo", "--out", str(tmp_path)])
    assert stop.value.code == 1
    assert capsys.readouterr().err.startswith("error: ")
