"""``blindsight bench`` as typed."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("lightning")

from bench_helpers import TINY, write_recipe
from blindsight.bench.recipe import recipe_names


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return write_recipe(tmp_path, TINY)


def test_list_shows_every_recipe_and_what_nobody_has_run(run) -> None:
    out, _ = run("bench list")
    assert all(name in out for name in recipe_names())
    assert "(not run: needs a GPU)" in out
    values = json.loads(run("bench list --json")[0])["recipes"]
    assert list(values) == recipe_names()


def test_list_shows_cells_and_what_is_missing(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    recipe = write_recipe(tmp_path, TINY.replace("{mix: {block: 16x8, sources: 2}}", "{scheme: morse}"))
    out, _ = run(["bench", "list", str(recipe), "--scale", "smoke"])
    assert "not here: scheme 'morse'" in out
    assert out.index("etc/vit") < out.index("plain/vit")
    cells = json.loads(run(["bench", "list", str(recipe), "--scale", "smoke", "--json"])[0])["cells"]
    assert [cell["missing"] for cell in cells].count(None) == 4
    assert "Nobody has run this scale yet: needs a GPU." in run("bench list paper1-imagenette --scale full")[0]


def test_a_cell_from_images_to_its_table(run, tmp_path: Path, recipe: Path) -> None:
    """One row of the smoke scale, end to end."""
    work = tmp_path / "work"
    words = ["bench", "run", str(recipe), "--scale", "smoke", "--only", "etc/vit", "--threads", "1", "--out", str(work)]
    out, err = run(words)
    assert "1 done, 0 not here yet, 0 failed" in out
    assert "0 cells left" in err
    values = json.loads(run([*words, "--json"])[0])
    assert [result["row"] for result in values["done"]] == ["etc"]
    table, _ = run(["bench", "table", str(work), "--recipe", str(recipe), "--out", str(tmp_path / "r" / "tiny")])
    top1 = 100 * values["done"][0]["top1"]
    assert f"| **etc**: etc, 4x4 | {top1:.1f} (" in table
    assert (tmp_path / "r" / "tiny.md").read_text() == table
    assert {path.name for path in (tmp_path / "r").iterdir()} == {
        "tiny.md",
        "tiny.json",
        "tiny-accuracy.png",
        "tiny-curves.png",
    }
    again, _ = run(["bench", "table", str(tmp_path / "r" / "tiny.json"), "--recipe", str(recipe)])
    assert again == "\n\n".join(part for part in table.split("\n\n") if not part.startswith("!["))


def test_a_failed_cell_is_an_error_after_the_others(run, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, TINY.replace("depth: 1, embed_dim: 64", "dept: 1, embed_dim: 64"))
    words = ["bench", "run", str(recipe), "--scale", "smoke", "--only", "etc/*", "--threads", "1"]
    out, err = run([*words, "--out", str(tmp_path / "work")], status=1)
    assert "1 done, 0 not here yet, 1 failed" in out
    last = err.splitlines()[-1]
    assert last.startswith("error: 1 of 2 cells failed, the first etc/wide seed 1: model vit_micro_patch4_32 does not")


def test_jpeg_measures_a_folder(run, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    pixels = np.add.outer(np.arange(64), np.arange(96))[..., None].repeat(3, 2).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "pictures" / "a.png")
    words = ["bench", "jpeg", "--data", str(tmp_path / "pictures"), "--scheme", "etc", "--count", "1"]
    out, _ = run([*words, "--out", str(tmp_path / "jpeg")])
    assert "wrote" in out
    values = json.loads((tmp_path / "jpeg.json").read_text())
    assert values["command"] == "blindsight bench jpeg --data pictures --count 1 --scheme etc --out jpeg"
    assert str(tmp_path) not in (tmp_path / "jpeg.json").read_text() + (tmp_path / "jpeg.md").read_text()
    assert (tmp_path / "jpeg.png").stat().st_size > 10_000
    assert json.loads(run([*words, "--out", str(tmp_path / "jpeg"), "--json"])[0]) == values


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("bench list paper1-cifar", "unknown recipe 'paper1-cifar'; did you mean paper1-cifar10"),
        ("bench list paper1-cifar10 --scale tiny", "unknown scale 'tiny'; known: smoke, cpu, full"),
        ("bench run paper1-cifar10 --only etc/resnet --out w", "unknown cell 'etc/resnet'"),
        (
            "bench run paper2-faces --out w",
            "recipe paper2-faces brings no data at scale cpu; give --data: faces by class",
        ),
        ("bench run paper1-cifar10 --data nowhere --out w", "no folder or file nowhere"),
        ("bench table nothing", "cannot read nothing"),
        ("bench jpeg --data nothing --out j", "nothing is no folder of photographs"),
        ("bench jpeg --scheme morse --out j", "unknown scheme 'morse'"),
    ],
)
def test_errors_are_one_line(fails, line: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in fails(line)
