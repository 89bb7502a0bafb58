"""benchmarks/frontier.py: which cells are on the front, what of the aim they miss, and files that cannot be."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench_helpers import result
from blindsight.bench.results import averages, results_text
from blindsight.errors import CorruptDataError, OutputError

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "frontier.py"
SCORES = {
    "plain": {"ssim": 1.0, "ssim_chance": 0.1, "attack": "none needed", "reid": 0.9, "reid_chance": 0.025},
    "fixed": {"ssim": 0.99, "ssim_chance": 0.1, "attack": "pooled statistics", "reid": 0.9, "reid_chance": 0.025},
    "image": {"ssim": 0.2, "ssim_chance": 0.1, "attack": "jigsaw", "reid": 0.5, "reid_chance": 0.025},
    "noise": {"ssim": 0.12, "ssim_chance": 0.1},
    "best": {"ssim": 0.12, "ssim_chance": 0.1, "reid": 0.05, "reid_chance": 0.025},
}
CELLS = [("plain", "vit", 0.60), ("fixed", "vit", 0.55), ("image", "set", 0.50), ("image", "vit", 0.30)]
CELLS += [("noise", "set", 0.35), ("best", "set", 0.505), ("unknown", "set", 0.4)]


@pytest.fixture(scope="module")
def frontier() -> ModuleType:
    spec = importlib.util.spec_from_file_location("frontier", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["frontier"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    results, scores = tmp_path / "results.json", tmp_path / "scores.json"
    results.write_text(results_text(result(row, column, top1) for row, column, top1 in CELLS))
    scores.write_text(json.dumps(SCORES))
    return results, scores


def points(frontier: ModuleType, scores: Path) -> list:
    cells = averages(result(row, column, top1) for row, column, top1 in CELLS)
    return frontier.join(cells, frontier.read_scores(scores))


def test_the_front_is_what_nothing_else_beats(frontier: ModuleType, files: tuple[Path, Path]) -> None:
    found = points(frontier, files[1])
    assert [point.name for point in found][:3] == ["plain/vit", "fixed/vit", "best/set"]
    # image/set has less than best/set of both, and noise/set as much privacy at less accuracy.
    assert [point.name for point in frontier.front(found, "excess")] == ["plain/vit", "fixed/vit", "best/set"]
    # fixed names as many as plain; noise was not measured.
    assert [point.name for point in frontier.front(found, "times")] == ["plain/vit", "best/set"]


@settings(deadline=None)
@given(pairs=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=12))
def test_every_point_is_on_the_front_or_beaten_by_one_that_is(
    frontier: ModuleType, pairs: list[tuple[int, int]]
) -> None:
    cells = averages(result(str(k), "net", 0.2 + top1 / 20) for k, (top1, _) in enumerate(pairs))
    scores = {str(k): frontier.Score(leak / 10, 0.0) for k, (_, leak) in enumerate(pairs)}
    every = frontier.join(cells, scores)
    best = frontier.front(every, "excess")
    places = [(point.average.top1, point.score.excess) for point in best]
    assert places == sorted(set(places), reverse=True)
    for point in every:
        at = (point.average.top1, point.score.excess)
        assert any(top1 >= at[0] and leak <= at[1] for top1, leak in places)


def test_what_of_the_aim_is_missed(frontier: ModuleType, files: tuple[Path, Path]) -> None:
    found = {point.name: frontier.missed(point, 0.6) for point in points(frontier, files[1])}
    assert found["best/set"] == []
    assert found["image/set"] == ["SSIM 0.10 above chance", "20.0 times chance named"]
    assert found["image/vit"][0] == "30.0 points lost"
    assert found["noise/set"] == ["25.0 points lost", "re-identification not measured"]


def test_an_attack_below_chance_has_found_nothing(frontier: ModuleType) -> None:
    assert frontier.Score(0.05, 0.1).excess == 0
    assert frontier.Score(0.05, 0.1).times is None


def test_a_table_and_a_picture(
    frontier: ModuleType, files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "front"
    assert frontier.main([str(files[0]), "--scores", str(files[1]), "--out", str(out)]) == 0
    text = out.with_suffix(".md").read_text()
    assert "| `best` | `set` | 50.5 (48.5 to 52.5) | 9.5 |  | 0.120 | 0.100 | 5.0 | 2.5 | reached |" in text
    assert "unknown" not in text
    assert capsys.readouterr().err == "not attacked, so left out: unknown\n"
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_figures_of_a_part_say_of_which(frontier: ModuleType, files: tuple[Path, Path], tmp_path: Path) -> None:
    data = json.loads(files[1].read_text())
    data["best"]["only"] = "training images"
    (tmp_path / "scores.json").write_text(json.dumps(data))
    assert "| reached, of the training images |" in frontier.table(points(frontier, tmp_path / "scores.json"), 0.6)


def test_without_re_identification_there_is_one_panel(
    frontier: ModuleType, files: tuple[Path, Path], tmp_path: Path
) -> None:
    from PIL import Image

    found = points(frontier, files[1])
    frontier.draw(found, 0.6, tmp_path / "two.png")
    frontier.draw([point for point in found if point.row == "noise"], 0.6, tmp_path / "one.png")
    two, one = (Image.open(tmp_path / f"{name}.png").size for name in ("two", "one"))
    assert two[0] == 2 * one[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[", "not JSON"),
        ("[1]", "is not an object"),
        ('{"a": {"ssim": 0.1}}', "ssim_chance of a is a number from -1 to 1, got None"),
        ('{"a": {"ssim": 2, "ssim_chance": 0}}', "ssim of a"),
        ('{"a": {"ssim": true, "ssim_chance": 0}}', "got True"),
        ('{"a": {"ssim": 0, "ssim_chance": 0, "reid": 0.5}}', "both reid and reid_chance"),
        ('{"a": {"ssim": 0, "ssim_chance": 0, "reid": 0.5, "reid_chance": 0}}', "reid_chance of a"),
        ('{"a": {"ssim": 0, "ssim_chance": 0, "mse": 1}}', "unknown field 'mse'"),
    ],
)
def test_scores_that_cannot_be(frontier: ModuleType, tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(CorruptDataError, match=says):
        frontier.read_scores(tmp_path / "s.json")


def test_what_the_command_refuses(
    frontier: ModuleType, files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(OutputError, match="cannot read"):
        frontier.read_scores(tmp_path / "none.json")
    (tmp_path / "other.json").write_text('{"elsewhere": {"ssim": 0, "ssim_chance": 0}}')
    for more, says in (
        (["--scores", str(tmp_path / "none.json")], "cannot read"),
        (["--scores", str(tmp_path / "other.json")], "none of the rows best, fixed, image"),
        (["--scores", str(files[1]), "--plain", "plain/cnn"], "--plain plain/cnn is no cell"),
    ):
        with pytest.raises(SystemExit) as stopped:
            frontier.main([str(files[0]), "--out", str(tmp_path / "x"), *more])
        assert stopped.value.code == 2
        assert says in capsys.readouterr().err
