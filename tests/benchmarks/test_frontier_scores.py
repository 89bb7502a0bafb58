"""benchmarks/frontier_scores.py: rows protected as the bench does, attacked, scored and written; resumed."""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

SCRIPTS = Path(__file__).resolve().parents[2] / "benchmarks"
RECIPE = """
about: tiny
data: cifar10
rows:
  plain: {}
  fixed: {scheme: etc, block: 16}
  mixed: {scheme: etc, block: 8, mix: {method: pbm, block: 8x8, sources: 3, probability: 0.9}}
  small: {scheme: bps, parameters: {scramble: true}, block: 4, key_scope: image, size: 16, gray: true}
  noisy: {scheme: etc, block: 8, key_scope: image, reductions: [crop, "noise:epsilon=20,cell=4,pixels=1"],
          mix: {method: pbm, block: 8x8, sources: 3, probability: 0.9}}
columns:
  vit: {}
scales:
  cpu: {train: {model: vit_micro_patch4_32}}
"""


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        yield importlib.import_module("frontier_scores")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Smooth pictures of two classes, four people on six photographs each, and a recipe."""
    root, rng = tmp_path_factory.mktemp("frontier"), np.random.default_rng(0)
    ramp = np.linspace(0, 1, 32)
    colours = rng.uniform(0, 255, (64, 4, 3))
    weights = np.stack([np.outer(a, b) for a in (ramp, 1 - ramp) for b in (ramp, 1 - ramp)], axis=2)
    x = np.einsum("hwk,nkc->nhwc", weights, colours) + rng.normal(0, 6, (64, 32, 32, 3))
    split = np.where(np.arange(64) < 58, "train", "test")
    y = np.arange(64) % 2
    np.savez(root / "data.npz", x=np.clip(x, 0, 255).astype(np.uint8), y=y, classes=np.array(["a", "b"]), split=split)
    for person in range(4):
        face = rng.integers(40 * person, 40 * person + 90, (4, 4)).repeat(5, axis=0).repeat(4, axis=1)
        for photo in range(6):
            path = root / "faces" / ("train" if photo < 3 else "test") / f"s{person}" / f"{photo}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.clip(face + rng.normal(0, 4, face.shape), 0, 255).astype(np.uint8)).save(path)
    (root / "tiny.yaml").write_text(RECIPE)
    return root


def arguments(made: Path, *more: str) -> list[str]:
    fixed = ["--set", "20", "--test", "2", "--images", "6", "--single", "2", "--public", "30", "--redraws", "2"]
    where = ["--work", str(made / "work"), "--out", str(made / "scores.json"), "--details", str(made / "all.json")]
    data = ["--data", str(made / "data.npz"), "--faces", str(made / "faces"), "--splits", "2"]
    return [str(made / "tiny.yaml"), *data, *where, *fixed, *more]


@pytest.fixture(scope="module")
def ran(script: ModuleType, made: Path) -> tuple[dict, dict]:
    attacks = ["dataset-jigsaw", "invariant-regression", "jigsaw", "known-pairs"]
    assert script.main(arguments(made, *(word for name in attacks for word in ("--attack", name)))) == 0
    return tuple(json.loads((made / name).read_text()) for name in ("scores.json", "all.json"))  # type: ignore[return-value]


def test_every_protected_row_is_scored_as_the_plot_reads_it(ran: tuple[dict, dict]) -> None:
    scores = ran[0]
    assert set(scores) == {"fixed", "mixed", "small", "noisy"}
    for row in scores.values():
        assert set(row) - {"only"} == {"ssim", "ssim_chance", "attack", "reid", "reid_chance"}
        assert row["reid_chance"] == 0.25
    assert {name: row["only"] for name, row in scores.items() if "only" in row} == dict.fromkeys(
        ("mixed", "noisy"), "training images"
    )
    fixed = scores["fixed"]
    assert fixed["attack"] == "dataset-jigsaw"
    assert fixed["ssim"] == pytest.approx(1)
    assert fixed["reid"] > 0.9


def test_what_was_not_run_has_a_reason_and_the_best_is_the_farthest_above_chance(ran: tuple[dict, dict]) -> None:
    rows = ran[1]["rows"]
    assert rows["fixed"]["attacks"]["jigsaw"] == {"not_run": "images were restored by another attack"}
    assert rows["small"]["attacks"]["dataset-jigsaw"]["not_run"].startswith("needs blocks that stay whole")
    for row in rows.values():
        assert "needs known pairs" in row["attacks"]["known-pairs"]["not_run"]
        tried = {name: each for name, each in row["attacks"].items() if "ssim" in each}
        assert row["best"] == max(tried, key=lambda name: tried[name]["ssim"] - tried[name]["chance"])
        assert "as published" in tried
        for each in tried.values():
            assert each["low"] <= each["ssim"] <= each["high"]
            assert each["excess"][0] == pytest.approx(each["ssim"] - each["chance"])
            assert each["pick"] <= each["ssim"] + 1e-9
    assert "key from queries, then label-clusters" in rows["mixed"]["attacks"]
    assert "jigsaw, denoised" in rows["noisy"]["attacks"]
    assert rows["noisy"]["attacks"]["jigsaw"]["n"] == 2


def test_people_are_named_by_the_best_of_all_figures(ran: tuple[dict, dict]) -> None:
    for row in ran[1]["rows"].values():
        known = row["identity"]
        assert known["reid"] == max(each["mean"] for each in known["figures"].values())
        assert 0 <= known["reid_null"] <= 1
    # Under one key distances stay; crops are drawn anew; colours are nothing to grey faces.
    assert any(
        name.startswith("distances; protected gallery") for name in ran[1]["rows"]["fixed"]["identity"]["figures"]
    )
    assert not any(name.startswith("distances") for name in ran[1]["rows"]["noisy"]["identity"]["figures"])


def test_a_row_that_is_there_is_not_run_again(
    script: ModuleType, made: Path, ran: tuple[dict, dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "scored", lambda *_: pytest.fail("run again"))
    assert script.main(arguments(made)) == 0
    assert json.loads((made / "scores.json").read_text()) == ran[0]


def test_attacks_are_added_to_a_row_that_is_there(
    script: ModuleType, made: Path, ran: tuple[dict, dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    better = {"attacks": {"new": {"ssim": 0.9, "chance": 0.1}, "jigsaw": {"not_run": "busy"}}, "images": "other"}
    monkeypatch.setattr(script, "scored", lambda *_: better)
    given = arguments(made, "--rows", "small", "--add")
    for name in ("scores.json", "all.json"):
        (made / f"added-{name}").write_text((made / name).read_text())
        given[given.index(str(made / name))] = str(made / f"added-{name}")
    assert script.main(given) == 0
    scores, rows = (json.loads((made / f"added-{name}").read_text()) for name in ("scores.json", "all.json"))
    before, after = ran[1]["rows"]["small"], rows["rows"]["small"]
    assert scores["small"] == ran[0]["small"] | {"ssim": 0.9, "ssim_chance": 0.1, "attack": "new"}
    assert after["identity"] == before["identity"]
    assert after["attacks"] == before["attacks"] | better["attacks"]
    assert scores["fixed"] == ran[0]["fixed"]
    given[given.index(str(made / "added-all.json"))] = str(made / "none.json")
    with pytest.raises(SystemExit):
        script.main(given)


def test_no_path_is_written(made: Path, ran: tuple[dict, dict]) -> None:
    assert str(made) not in (made / "all.json").read_text() + (made / "scores.json").read_text()
    assert ran


def test_the_published_image_of_an_original_is_found(script: ModuleType, made: Path, ran: tuple[dict, dict]) -> None:
    assert ran
    rows = script.rows_of(script.load_recipe(made / "tiny.yaml"), "cpu")
    assert "plain" not in rows
    data = script._opened(str(made / "data.npz"), made / "work", 20, 2)
    plain = script._opened(str(made / "data.npz"), made / "work")
    found = script.victim(rows["fixed"], data, plain, 30, 1, made / "work")
    np.testing.assert_array_equal(found.shown, found.originals)
    assert len(found.seen.images) == 20
    assert len(found.seen.public) == 30
    taken = {image.tobytes() for image in found.originals}
    assert not taken & {image.tobytes() for image in found.seen.public}
    small = script.victim(rows["small"], data, plain, 30, 1, made / "work")
    assert small.seen.images.shape == (20, 16, 16, 1)
    assert small.originals.shape == small.shown.shape == (20, 32, 32, 3)
    assert np.abs(small.shown.astype(float).mean((1, 2, 3)) - small.originals.mean((1, 2, 3))).max() < 40


@pytest.mark.parametrize(
    ("more", "says"),
    [(["--rows", "plain"], "no row 'plain' with a scheme"), (["--faces", "."], "is no folder")],
)
def test_what_the_command_refuses(
    script: ModuleType,
    made: Path,
    more: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(script, "attacked", lambda *_: {"as published": {"ssim": 0.0, "chance": 0.0}})
    (tmp_path / "one" / "person").mkdir(parents=True)
    Image.new("L", (8, 8)).save(tmp_path / "one" / "person" / "1.png")
    monkeypatch.chdir(tmp_path / "one")
    given = arguments(made, *more)
    given[given.index("--out") + 1] = str(tmp_path / "new.json")
    with pytest.raises(SystemExit) as stopped:
        script.main(given)
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err


def test_scores_that_are_no_rows(script: ModuleType, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (made / "bad.json").write_text("[1]")
    given = arguments(made)
    given[given.index("--out") + 1] = str(made / "bad.json")
    with pytest.raises(SystemExit):
        script.main(given)
    assert "no JSON object of rows" in capsys.readouterr().err
