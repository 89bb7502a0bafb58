"""Export: a file that gives torch's logits for pixels, with the run's profile beside it, or nothing at all."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from provider_helpers import CLASSES, TINY, cipher_profile  # noqa: E402

from blindsight.errors import (  # noqa: E402
    BlindsightError,
    CorruptDataError,
    MissingDependencyError,
    OutputError,
    ParameterError,
    UnknownNameError,
)
from blindsight.nets import create_model  # noqa: E402
from blindsight.nets.factory import takes_img_size  # noqa: E402
from blindsight.nets.runs import Run, load_run, save_run  # noqa: E402
from blindsight.profile import Profile  # noqa: E402
from blindsight.provider import _formats, export  # noqa: E402
from blindsight.provider.export import TOLERANCE, export_run  # noqa: E402
from blindsight.provider.prediction import logits_of, predict  # noqa: E402

# One of every kind of network, as small as it goes: architecture, image side, arguments.
NETWORKS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "vit": ("vit_micro_patch4_32", 8, TINY),
    "convmixer": ("convmixer_48_16_s2d4_32", 16, {"depth": 1, "kernel_size": 3}),
    "convmixer with a matrix": ("convmixer_128_4_patch4_32_apm", 16, {"depth": 1, "kernel_size": 3, "dim": 8}),
    "pyramidnet": ("pyramidnet_micro_shakedrop", 8, {"depth": 8, "alpha": 6}),
    "resnet": ("resnet_micro", 32, {"layers": (1, 1, 1, 1)}),
    "vgg": ("vgg_micro", 32, {}),
    "inception": ("inception_micro", 32, {"width": 4}),
    "densenet": ("densenet_micro", 32, {"block_config": (1, 1)}),
    "adapted, le": ("le_adaptnet", 8, {"backbone": "vit_micro_patch4_32", **TINY}),
    "adapted, madono": ("le_adaptnet_madono", 8, {"backbone": "vit_micro_patch4_32", **TINY}),
    "adapted, ele": ("ele_adaptnet", 8, {"backbone": "vit_micro_patch4_32", **TINY}),
    "adapted, pe": ("pe_adaptnet", 8, {"backbone": "vit_micro_patch4_32", **TINY}),
    "invariant, canonical": ("vit_micro_patch4_32", 8, {**TINY, "embedding": "canonical", "pos_embed": "none"}),
    "timm's vit": ("deit_tiny_patch16_224", 32, TINY),
    "timm's resnet": ("resnet10t", 32, {}),
}
# Translation to ONNX takes most of the time: those whose parts the others share are only traced.
TRANSLATED = ("vit", "convmixer", "convmixer with a matrix", "pyramidnet", "adapted, ele", "invariant, canonical")

Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Writes a run of an untrained network of :data:`NETWORKS`; returns its folder."""

    def save(kind: str = "vit", profile: Profile | None = None, **more: Any) -> Path:
        name, side, args = NETWORKS[kind]
        profile = profile or cipher_profile(size=(side, side))
        if takes_img_size(name):
            args = {**args, "img_size": [side, side]}
        torch.manual_seed(0)
        model = create_model(name, num_classes=3, in_chans=profile.channels, **args)
        # Norms that have seen something, so that leaving one out would show.
        for module in model.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                torch.nn.init.uniform_(module.running_mean, -0.3, 0.3)
                torch.nn.init.uniform_(module.running_var, 0.5, 2)
        save_run(tmp_path / "run", model, profile, architecture=name, size=(side, side), model_args=args, **more)
        return tmp_path / "run"

    return save


def pixels(run: Run, count: int) -> np.ndarray:
    """uint8 (N, H, W, C)."""
    return np.random.default_rng(count).integers(0, 256, (count, *run.size, run.profile.channels), np.uint8)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def channels_first(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


@pytest.mark.parametrize(
    ("kind", "format"), [(k, "torch-export") for k in NETWORKS] + [(k, "onnx") for k in TRANSLATED]
)
def test_the_file_answers_as_the_run_does(kind: str, format: str, save: Save, tmp_path: Path) -> None:
    source, out = save(kind), tmp_path / "out"
    report = export_run(source, out, format)
    assert sorted(p.name for p in out.iterdir()) == sorted([report.file, "README.md", "config.json", "profile.json"])
    for name in ("profile.json", "config.json"):
        assert (out / name).read_bytes() == (source / name).read_bytes()
    assert (report.images, report.same_top1, report.bytes) == (4, 4, (out / report.file).stat().st_size)
    run = load_run(source)
    assert (report.input_shape, report.output_shape) == ((None, 3, *run.size), (None, 3))
    for count in (1, 2, 7):
        images = pixels(run, count)
        if format == "onnx":
            session = onnxruntime.InferenceSession(out / "model.onnx")
            (logits,) = session.run(["logits"], {"images": channels_first(images)})
        else:
            module = torch.export.load(out / "model.pt2").module()
            logits = module(torch.from_numpy(channels_first(images))).detach().numpy()
        assert logits.dtype == np.float32
        np.testing.assert_allclose(softmax(logits), predict(run, images), atol=1e-5)


def test_an_onnx_file_says_what_it_takes_and_not_where_it_was_made(save: Save, tmp_path: Path) -> None:
    source = save()
    report = export_run(source, tmp_path / "out")
    (tensor,) = (session := onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx")).get_inputs()
    assert (tensor.name, tensor.type, tensor.shape) == ("images", "tensor(uint8)", ["batch", 3, 8, 8])
    (tensor,) = session.get_outputs()
    assert (tensor.name, tensor.type, tensor.shape) == ("logits", "tensor(float)", ["batch", 3])
    model = onnx.load(tmp_path / "out" / "model.onnx")
    assert [o.version for o in model.opset_import if o.domain == ""] == [report.opset] == [18]
    stored = {p.key: p.value for p in model.metadata_props}["blindsight.profile"]
    assert Profile.from_json(stored) == cipher_profile()
    card = (tmp_path / "out" / "README.md").read_text()
    assert "Input `images`: uint8 (batch, 3, 8, 8)" in card
    assert f"at most {report.difference:.1e} of their range, the same top-1 for 4 of 4" in card
    assert f"onnxruntime {onnxruntime.__version__}" in card
    assert "visual obfuscation, not cryptography" in card
    for file in (tmp_path / "out").iterdir():
        assert b"site-packages" not in (content := file.read_bytes()), file
        assert b".py" not in content, file
        assert str(tmp_path).encode() not in content, file


def test_a_torch_file_needs_torch_alone_and_does_not_say_where_it_was_made(save: Save, tmp_path: Path) -> None:
    import zipfile

    source = save("adapted, ele")
    export_run(source, tmp_path / "out", "torch-export")
    path = tmp_path / "out" / "model.pt2"
    with zipfile.ZipFile(path) as archive:
        contents = [archive.read(name) for name in archive.namelist()]
    assert not any(b"site-packages" in content or b".py" in content for content in contents)
    code = (
        "import sys; sys.modules['timm'] = sys.modules['blindsight'] = None; import torch; more = {'profile.json': ''};"
        f"model = torch.export.load({str(path)!r}, extra_files=more).module();"
        "print(model(torch.zeros(5, 3, 8, 8, dtype=torch.uint8)).shape, more['profile.json'][0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout == "torch.Size([5, 3]) {\n", done.stderr


@pytest.mark.parametrize("format", ["onnx", "torch-export"])
def test_a_fixed_batch_size_grey_images_and_another_normalisation(format: str, save: Save, tmp_path: Path) -> None:
    profile = Profile(kind="mix", scheme="pbm", size=(8, 8), channels=1, classes=CLASSES)
    source = save("vit", profile, mean=0.2, std=0.7)
    report = export_run(source, tmp_path / "out", format, batch_size=2)
    assert (report.batch_size, report.input_shape, report.output_shape) == (2, (2, 1, 8, 8), (2, 3))
    assert report.images == 4
    run = load_run(source)
    assert run.normalisation == (0.2, 0.7)
    images = pixels(run, 2)
    opened = (_formats.open_onnx if format == "onnx" else _formats.open_torch)(tmp_path / "out" / report.file)
    np.testing.assert_allclose(softmax(opened(channels_first(images))), predict(run, images), atol=1e-5)
    with pytest.raises(Exception, match=r"Got: 1 Expected: 2|expected .*to be equal to 2|== 2"):
        opened(channels_first(images[:1]))
    assert (
        "Input `images`: uint8 (2, 1, 8, 8), (N, C, H, W), pixels 0 to 255 as they are; plain"
        in (tmp_path / "out" / "README.md").read_text()
    )


def test_negated_pixels_change_their_sign_inside(save: Save) -> None:
    """To the last bit, as in the training: encrypted models rely on it."""
    run = load_run(save())
    program = _formats.trace(Run(torch.nn.Flatten().eval(), run.profile, run.config), None)
    images = torch.arange(256, dtype=torch.uint8).repeat(3).view(4, 3, 8, 8)
    found = program.module()(images)
    assert torch.equal(found, -program.module()(255 - images))
    assert found.unique().numel() == 256


def test_a_wrong_file_is_found_and_nothing_is_left(save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = save()
    # What the server's own preprocessing often is: another normalisation.
    monkeypatch.setattr(_formats, "normalise", lambda images, *_: images.float() / 255)
    with pytest.raises(BlindsightError, match=r"the torch-export file gives other logits than torch: they differ by"):
        export_run(source, tmp_path / "new" / "out", "torch-export")
    assert not (tmp_path / "new").exists()
    (tmp_path / "out").mkdir()
    with pytest.raises(BlindsightError, match=r"at most 0\.0001 is allowed; try the other --format"):
        export_run(source, tmp_path / "out", "torch-export")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("times", [0.5, 2.0])
def test_the_tolerance_is_a_part_of_the_range(
    times: float, save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shifted(run: Run, images: torch.Tensor) -> torch.Tensor:
        logits = logits_of(run, images)
        if len(images) == 1:  # one logit of one image
            logits[0, 0] += times * TOLERANCE * span
        return logits

    source = save()
    rng, run = np.random.default_rng(0), load_run(source)
    batches = [torch.from_numpy(rng.integers(0, 256, (n, 3, 8, 8), np.uint8)) for n in (1, 3)]
    span = np.ptp(torch.cat([logits_of(run, batch) for batch in batches]).numpy())
    monkeypatch.setattr(export, "logits_of", shifted)
    if times > 1:
        with pytest.raises(BlindsightError, match=r"differ by 0\.0002 of their range"):
            export_run(source, tmp_path / "out", "torch-export")
    else:
        report = export_run(source, tmp_path / "out", "torch-export")
        assert report.difference == pytest.approx(times * TOLERANCE, rel=0.1)


def test_logits_that_are_no_numbers_do_not_pass(save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = np.full((3, 3), np.nan, np.float32)
    monkeypatch.setattr(_formats, "open_torch", lambda _: lambda images: nothing[: len(images)])
    with pytest.raises(BlindsightError, match="differ by nan"):
        export_run(save(), tmp_path / "out", "torch-export")


def test_out_must_be_new_or_empty(save: Save, tmp_path: Path) -> None:
    source, out = save(), tmp_path / "out"
    out.write_text("")
    with pytest.raises(OutputError, match=r"out is a file; choose another folder with --out"):
        export_run(source, out)
    out.unlink()
    out.mkdir()
    (out / "mine").write_text("kept")
    with pytest.raises(OutputError, match=r"out is not empty; choose another folder with --out"):
        export_run(source, out)
    with pytest.raises(OutputError, match="run is not empty"):
        export_run(source, source)
    (out / ".incomplete").write_text("")
    with pytest.raises(OutputError, match="out holds something unfinished; remove it"):
        export_run(source, out)
    assert (out / "mine").read_text() == "kept"


def test_an_interrupted_export_leaves_nothing(save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def stop(path: Path) -> None:
        seen.extend(sorted(p.name for p in path.parent.parent.iterdir()))
        raise KeyboardInterrupt

    monkeypatch.setattr(_formats, "open_torch", stop)
    with pytest.raises(KeyboardInterrupt):
        export_run(save(), tmp_path / "out", "torch-export")
    assert seen == [".export", ".incomplete"]
    assert not (tmp_path / "out").exists()


def test_a_full_disk(save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.write_bytes

    def full(path: Path, data: Any) -> int:
        if path.suffix == ".pt2":
            raise OSError(28, "No space left on device")
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"cannot write model\.pt2: No space left on device; free some space"):
        export_run(save(), tmp_path / "out", "torch-export")
    assert not (tmp_path / "out").exists()


def test_a_network_that_looks_at_the_size_of_the_batch(
    save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Picky(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((2, 3)) * (2 if len(x) > 5 else 1)

    source = save()
    picky = Run(Picky().eval(), load_run(source).profile, load_run(source).config)
    monkeypatch.setattr(export, "load_run", lambda _: picky)
    with pytest.raises(BlindsightError, match=r"vit_micro_patch4_32 cannot be exported to torch.export: .*batch") as e:
        export_run(source, tmp_path / "out", "torch-export")
    assert str(e.value).endswith("; a fixed --batch-size may be possible")
    assert "\n" not in str(e.value)
    assert not (tmp_path / "out").exists()
    assert export_run(source, tmp_path / "out", "torch-export", batch_size=3).batch_size == 3


def test_a_damaged_run(save: Save, tmp_path: Path) -> None:
    source = save()
    (source / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(CorruptDataError, match=r"model\.safetensors is damaged"):
        export_run(source, tmp_path / "out")
    (source / ".incomplete").write_text("")
    with pytest.raises(OutputError, match="not written to its end"):
        export_run(source, tmp_path / "out")
    with pytest.raises(OutputError, match="is not a folder"):
        export_run(tmp_path / "none", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_weights_that_are_no_numbers(save: Save, tmp_path: Path) -> None:
    source = save()
    run = load_run(source)
    run.model.head.bias.data[0] = float("nan")
    args = run.config["model_args"]
    save_run(source, run.model, run.profile, architecture=run.config["architecture"], size=run.size, model_args=args)
    with pytest.raises(CorruptDataError, match="no finite numbers"):
        export_run(source, tmp_path / "out", "torch-export")
    assert not (tmp_path / "out").exists()


def test_choices_that_cannot_work(save: Save, tmp_path: Path) -> None:
    source, out = save(), tmp_path / "out"
    with pytest.raises(UnknownNameError, match="unknown format 'tflite'; known: onnx, torch-export"):
        export_run(source, out, "tflite")
    with pytest.raises(ParameterError, match="batch_size is 0; give 1 or more"):
        export_run(source, out, batch_size=0)
    with pytest.raises(ParameterError, match="an opset belongs to the format onnx, not to torch-export"):
        export_run(source, out, "torch-export", opset=18)
    assert not out.exists()


def test_another_opset(save: Save, tmp_path: Path) -> None:
    source, out = save(), tmp_path / "out"
    with pytest.raises(
        ParameterError, match=r"cannot be written in opset 99: torch .* does not convert it from 18; ch"
    ):
        export_run(source, out, opset=99)
    assert not out.exists()
    assert export_run(source, out, opset=20).opset == 20
    assert [o.version for o in onnx.load(out / "model.onnx").opset_import if o.domain == ""] == [20]


def test_a_file_that_onnxruntime_does_not_run(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"nonsense")
    with pytest.raises(
        ParameterError, match=r"onnxruntime [0-9.]+ does not run the file \(.*\); choose a lower --opset"
    ):
        _formats.open_onnx(tmp_path / "model.onnx")


@pytest.mark.parametrize("missing", ["onnx", "onnxscript", "onnxruntime"])
def test_missing_packages(missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = export.find_spec
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == missing else real(name))
    with pytest.raises(
        MissingDependencyError,
        match=rf"export to ONNX needs {missing}, which is not installed; run: pip install 'blindsight\[export\]'",
    ):
        export_run(tmp_path / "run", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_report_is_json_and_torchs_form_needs_no_onnx(
    save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "find_spec", lambda _: None)
    found = json.loads(json.dumps(export_run(save(), tmp_path / "out", "torch-export").as_json()))
    assert found["input"] == {"name": "images", "dtype": "uint8", "shape": [None, 3, 8, 8]}
    assert found["output"] == {"name": "logits", "dtype": "float32", "shape": [None, 3]}
    assert (found["format"], found["file"], found["opset"], found["batch_size"]) == (
        "torch-export",
        "model.pt2",
        None,
        None,
    )
    assert found["difference"] <= found["tolerance"] == 1e-4
    assert set(found["versions"]) == {"blindsight", "torch", "timm"}
