"""``blindsight encrypt-model`` and ``rotate-model`` as typed."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from blindsight.nets.runs import load_run, save_run  # noqa: E402
from blindsight.owner.ids import class_id  # noqa: E402
from blindsight.profile import Profile  # noqa: E402
from model_cipher_helpers import TINY, tiny_vit  # noqa: E402
from protect_helpers import KEY, OTHER  # noqa: E402

SIZE = (16, 24)


@pytest.fixture
def plain(owners_folder, tmp_path):  # noqa: ARG001
    """A run on plain images, in the owner's folder."""
    profile = Profile(kind="plain", classes=("cat", "dog", "owl"))
    arguments = {**TINY, "img_size": list(SIZE)}
    save_run(
        tmp_path / "plain", tiny_vit(SIZE), profile, architecture="vit_micro_patch4_32", size=SIZE, model_args=arguments
    )
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "plain"


def answers(run, line):
    """Class -> probability."""
    found = json.loads(run(f"{line} --json")[0])["images"][0]["predictions"]
    return {entry["class"]: entry["probability"] for entry in found}


def remember(plain, change):
    """A recipe that says what the run began from."""
    recipe = {"config": {"model": "vit_x", "pretrained": True}, "result": {"first_layer_change": change}}
    (plain / "recipe.json").write_text(json.dumps(recipe))


@pytest.mark.usefixtures("plain")
def test_the_journey(run, fails):
    out, err = run("encrypt-model plain --key owner.key --out enc")
    assert err == ""
    assert out.startswith(f"enc: takes images as shf, blocks of 4, 16x24 RGB, png, key {KEY.id}, scope dataset\n")
    assert "an ordinary layer" in out
    assert "follow their blocks" in out
    wanted = answers(run, "predict plain photo.png")
    assert answers(run, "predict enc photo.png --key owner.key") == pytest.approx(wanted, rel=1e-4)
    assert KEY.id in fails("predict enc photo.png --key other.key")
    run("rotate-model enc --key owner.key --new-key other.key --out rotated")
    assert load_run(Path("rotated")).profile.key_id == OTHER.id
    assert answers(run, "predict rotated photo.png --key other.key") == pytest.approx(wanted, rel=1e-4)
    # Back again it is, to the byte, what it was.
    run("rotate-model rotated --key other.key --new-key owner.key --out back")
    for name in ("model.safetensors", "config.json", "profile.json", "README.md"):
        assert Path("back", name).read_bytes() == Path("enc", name).read_bytes()
    assert not Path("enc/.incomplete").exists()


@pytest.mark.usefixtures("plain")
def test_etc_keeps_a_table_and_says_so(run):
    out, err = run("encrypt-model plain --key owner.key --scheme etc --block-size 8 --out enc --json")
    facts = json.loads(out)
    assert (facts["profile"]["scheme"], facts["profile"]["block_size"], facts["positions_moved"]) == ("etc", 8, True)
    assert facts["variants"] > 1
    assert facts["logit_difference"] < 1e-4
    assert [w for w in facts["warnings"] if "table of its blocks' " in w] == facts["warnings"]
    assert err == ""
    wanted = answers(run, "predict plain photo.png")
    assert answers(run, "predict enc photo.png --key owner.key") == pytest.approx(wanted, rel=1e-4)
    run("rotate-model enc --key owner.key --new-key other.key --out rotated")
    assert answers(run, "predict rotated photo.png --key other.key") == pytest.approx(wanted, rel=1e-4)


@pytest.mark.usefixtures("plain")
def test_protected_images_are_evaluated_and_trained_on(run, fails):
    for scheme in ("shf", "etc"):
        run(f"encrypt-model plain --key owner.key --scheme {scheme} --out {scheme}")
        run(f"protect photos p-{scheme} --key owner.key --scheme {scheme} --block-size 4 --size 16x24")
        assert json.loads(run(f"evaluate {scheme} p-{scheme} --split test --json")[0])["n"] == 1
        tuned = f"tuned-{scheme}"
        # The photos are cats and dogs: the classifier of three is made anew.
        run(f"train p-{scheme} --checkpoint {scheme} --out {tuned} --epochs 1 --holdout 0 --lr 1e-9 --threads 1")
        before, after = (load_file(Path(name, "model.safetensors")) for name in (scheme, tuned))
        weight = "patch_embed.proj.weight"
        assert torch.allclose(before[weight], after[weight], atol=1e-6)
        assert load_run(Path(tuned)).config["model_args"] == load_run(Path(scheme)).config["model_args"]
        change = json.loads(Path(tuned, "recipe.json").read_text())["result"]["first_layer_change"]
        assert 0 <= change < 1e-6
        run(f"rotate-model {tuned} --key owner.key --new-key other.key --out rotated-{scheme}")
    message = fails("train p-shf --checkpoint etc --out bad --epochs 1")
    assert "the run to start from and the data differ in scheme: 'etc' and 'shf'" in message


def test_a_known_origin_is_warned_of(plain, run):
    for number, (change, said) in enumerate([(0.0, "by 0 % of"), (1.5, "by 150 % of"), (None, "by an unknown part")]):
        remember(plain, change)
        _, err = run(f"encrypt-model plain --key owner.key --out enc{number}")
        assert err.startswith("warning: the run began from timm's pretrained weights of vit_x, and its first layer ")
        assert said in err
        assert "reads the key" in err
    (plain / "recipe.json").write_text("{")
    assert run("encrypt-model plain --key owner.key --out unknown")[1] == ""


def test_a_named_model_with_a_file_of_weights(plain, run, fails):
    state = load_file(plain / "model.safetensors")
    name = "vit_micro_patch4_32"
    from blindsight.nets import create_model

    model = create_model(name, num_classes=2, img_size=(8, 8))
    save_file(model.state_dict(), "weights.safetensors")
    line = f"encrypt-model {name} --checkpoint weights.safetensors --key owner.key --img-size 8"
    _, err = run(f"{line} --out enc")
    assert err.startswith("warning: the weights were trained elsewhere, and whoever has those weights reads the key")
    assert load_run(Path("enc")).profile.classes == ("0", "1")
    Path("labels.txt").write_text("cat\ndog\n")
    run(f"{line} --labels labels.txt --scheme np --out named")
    assert load_run(Path("named")).profile.classes == ("cat", "dog")
    Path("labels.txt").write_text("cat\ndog\nowl\n")
    assert "labels name 3 classes and the weights of" in fails(f"{line} --labels labels.txt --out x")
    Path("labels.txt").write_text("cat\n\ndog\n")
    assert "every class once, one a line" in fails(f"{line} --labels labels.txt --out x")
    save_file({k: v for k, v in state.items() if not k.startswith("head.")}, "body.safetensors")
    assert "holds no classifier (head)" in fails(
        f"encrypt-model {name} --checkpoint body.safetensors --key owner.key --out x"
    )
    assert "no weights file no.pt" in fails(f"encrypt-model {name} --checkpoint no.pt --key owner.key --out x")
    assert "unknown model 'vit_micro'" in fails("encrypt-model vit_micro --pretrained --key owner.key --out x")
    assert not Path("x").exists()


@pytest.mark.usefixtures("plain")
def test_opaque_classes(run, fails):
    run("encrypt-model plain --key owner.key --opaque-classes --out enc")
    ids = tuple(class_id(KEY, name) for name in ("cat", "dog", "owl"))
    assert load_run(Path("enc")).profile.classes == ids
    assert "give --index" in fails("rotate-model enc --key owner.key --new-key other.key --out x")
    Path("index").mkdir()
    names = ("cat", "dog", "owl")
    Path("index/classes.json").write_text(json.dumps(dict(zip(ids, names, strict=True))))
    run("rotate-model enc --key owner.key --new-key other.key --index index --out rotated")
    assert load_run(Path("rotated")).profile.classes == tuple(class_id(OTHER, name) for name in names)


@pytest.mark.usefixtures("plain")
def test_what_cannot_be(run, fails):
    key = "--key owner.key --out x"
    assert "add --pretrained, or --checkpoint FILE" in fails(f"encrypt-model vit_tiny_patch16_224 {key}")
    assert "--img-size goes with a timm name" in fails(f"encrypt-model plain --img-size 32 {key}")
    assert "exclude each other" in fails(f"encrypt-model plain --pretrained --checkpoint f {key}")
    assert "'le' acts on parts of a sample's bits" in fails(f"encrypt-model plain --scheme le {key}")
    assert "encrypt with --block-size 4" in fails(f"encrypt-model plain --block-size 8 {key}")
    assert "scheme 'shf' has no parameter 'x'" in fails(f"encrypt-model plain --set x=1 {key}")
    assert "unknown scheme 'shg'" in fails(f"encrypt-model plain --scheme shg {key}")
    assert "is not a folder" in fails(f"encrypt-model no/run {key}")
    assert "has no key to change; use encrypt-model" in fails(f"rotate-model plain --new-key other.key {key}")
    assert not Path("x").exists()
    assert "is not empty; choose another folder with --out" in fails("encrypt-model plain --key owner.key --out photos")
    assert "is a file" in fails("encrypt-model plain --key owner.key --out photo.png")
    run("encrypt-model plain --key owner.key --out enc")
    assert f"encrypted with key {KEY.id}" in fails(f"encrypt-model enc {key}")
    assert KEY.id in fails("rotate-model enc --key other.key --new-key owner.key --out x")
    assert "old and new key are both" in fails("rotate-model enc --key owner.key --new-key owner.key --out x")
    assert run("rotate-model enc --key owner.key --out x", 2)[0] == ""
    Path("enc/.incomplete").touch()
    assert "delete it and repeat the command" in fails("predict enc photo.png --key owner.key")


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(("format", "file"), [("onnx", "model.onnx"), ("torch-export", "model.pt2")])
def test_an_encrypted_model_is_exported_as_any(run, format, file):
    if format == "onnx":
        pytest.importorskip("onnxscript")
        pytest.importorskip("onnxruntime")
    run("encrypt-model plain --key owner.key --scheme etc --out enc")
    out, _ = run(f"export enc --format {format} --out served")
    assert "the same top-1 for 4 of 4" in out
    assert Path("served", file).stat().st_size > 1000
    assert Path("served/profile.json").read_bytes() == Path("enc/profile.json").read_bytes()
    assert "**This is a model of plain images, encrypted with a key**" in Path("served/README.md").read_text()


def test_a_tag_that_timm_does_not_know(fails, owners_folder):  # noqa: ARG001
    text = fails("encrypt-model vit_tiny_patch16_224.bogus --pretrained --key owner.key --out enc")
    assert text.startswith("unknown model 'vit_tiny_patch16_224.bogus'")
