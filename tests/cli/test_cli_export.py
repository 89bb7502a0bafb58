"""``blindsight export`` as typed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

from blindsight.nets import create_model  # noqa: E402
from blindsight.nets.runs import save_run  # noqa: E402
from blindsight.profile import Profile  # noqa: E402

TINY = {"embed_dim": 16, "depth": 1, "num_heads": 2, "img_size": [8, 8]}
PROFILE = Profile(kind="plain", size=(8, 8), fit="resize", classes=("sky", "moss", "lava"))


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder, in the folder that one works in."""
    torch.manual_seed(0)
    model = create_model("vit_micro_patch4_32", num_classes=3, **TINY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    save_run(Path("run"), model, PROFILE, architecture="vit_micro_patch4_32", size=(8, 8), model_args=TINY)
    return tmp_path


def test_export_to_onnx(trained: Path, run: Callable[..., tuple[str, str]], fails: Callable[..., str]) -> None:
    out, err = run("export run --out served")
    first, second = out.splitlines()
    assert first.startswith("wrote served/model.onnx (")
    assert first.endswith(" MB, opset 18): images uint8 (N, 3, 8, 8) -> logits float32 (N, 3)")
    assert second.startswith("  read back by onnxruntime ")
    assert second.endswith("the same top-1 for 4 of 4")
    assert err == ""
    assert (trained / "served" / "profile.json").read_bytes() == (trained / "run" / "profile.json").read_bytes()
    assert fails("export run --out served") == "served is not empty; choose another folder with --out"


def test_export_to_torch_as_json(trained: Path, run: Callable[..., tuple[str, str]]) -> None:
    out, err = run("export run --format torch-export --batch-size 2 --out served --json")
    found = json.loads(out)
    assert (found["file"], found["batch_size"], found["input"]["shape"]) == ("model.pt2", 2, [2, 3, 8, 8])
    assert (trained / "served" / "model.pt2").stat().st_size == found["bytes"]
    assert err == ""


def test_errors_are_one_line(trained: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    from blindsight.provider import _formats, export

    assert fails("export run --out o --format tflite") == "unknown format 'tflite'; known: onnx, torch-export"
    assert "leave --opset out" in fails("export run --out o --format torch-export --opset 18")
    assert fails("export nothing --out o") == "nothing is not a folder; give the run folder that train wrote"
    with monkeypatch.context() as patch:
        patch.setattr(export, "find_spec", lambda name: None if name == "onnxruntime" else object())
        assert "export to ONNX needs onnxruntime, which is not installed" in fails("export run --out o")
    with monkeypatch.context() as patch:
        patch.setattr(_formats, "normalise", lambda images, *_: images.float())
        assert "gives other logits than torch" in fails("export run --out o --format torch-export")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_formats, "trace", stop)
    assert fails("export run --out o") == "export interrupted; nothing was left in o"
    assert not (trained / "o").exists()


def test_the_command_line_must_be_whole(run: Callable[..., tuple[str, str]]) -> None:
    assert "--out" in run("export run", 2)[1]
    assert "--batch-size" in run("export run --out o --batch-size many", 2)[1]


def test_help_has_an_example(run: Callable[..., tuple[str, str]]) -> None:
    assert "Example: blindsight export run --out served" in run("export --help")[0]
