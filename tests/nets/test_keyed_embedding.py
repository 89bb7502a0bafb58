"""Keyed embeddings: one weight seen through tables, kept in run folders, and carried over to training."""

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from blindsight.errors import CorruptDataError, IncompatibleModelError, ParameterError  # noqa: E402
from blindsight.nets import create_model  # noqa: E402
from blindsight.nets.first_layer import attach_keyed, first_layer, patch_embedding, relative_change  # noqa: E402
from blindsight.nets.keyed_embedding import KeyedConv2d, KeyedShape  # noqa: E402
from blindsight.nets.runs import load_run, save_run  # noqa: E402
from blindsight.nets.starting import reorder_classes  # noqa: E402
from blindsight.profile import Profile  # noqa: E402

NAME = "vit_micro_patch4_32"
ARGUMENTS = {"embed_dim": 16, "depth": 1, "num_heads": 2, "img_size": [8, 12]}
SHAPE = KeyedShape(3, 2, 3)
PROFILE = Profile(
    kind="cipher", scheme="etc", block_size=4, size=(8, 12), key_scope="dataset", key_id="bsk1-" + "a" * 16,
    classes=("b", "a"),
)  # fmt: skip


def keyed_model(shape: KeyedShape = SHAPE) -> Any:
    """A small ViT whose embedding has random tables."""
    torch.manual_seed(0)
    model = create_model(NAME, num_classes=2, **ARGUMENTS, **shape.arguments()).eval()
    layer = model.patch_embed.proj
    for row in range(shape.variants):
        layer.variant_index[row] = torch.randperm(48)
    layer.variant_sign.copy_(torch.randint(0, 2, layer.variant_sign.shape) * 2 - 1)
    layer.position_variant.copy_(torch.randint(0, shape.variants, (6,)))
    return model


def test_each_position_has_its_own_weight_of_one() -> None:
    layer = keyed_model().patch_embed.proj.double()
    x = torch.randn(2, 3, 8, 12, dtype=torch.float64)
    got = layer(x)
    assert got.shape == (2, 16, 2, 3)
    flat = layer.weight.flatten(1)
    for position in range(6):
        row, col = divmod(position, 3)
        v = int(layer.position_variant[position])
        own = torch.zeros_like(flat)
        own[:, layer.variant_index[v].long()] = flat * layer.variant_sign[v]
        patch = x[:, :, 4 * row : 4 * row + 4, 4 * col : 4 * col + 4].flatten(1)
        assert torch.allclose(got[:, :, row, col], patch @ own.T + layer.bias)
    got.square().sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.abs().sum() > 0
    assert {name for name, _ in layer.named_parameters()} == {"weight", "bias"}


def test_tables_that_change_nothing_are_the_convolution() -> None:
    torch.manual_seed(0)
    plain = create_model(NAME, num_classes=2, **ARGUMENTS).eval()
    torch.manual_seed(0)
    keyed = create_model(NAME, num_classes=2, **ARGUMENTS, **SHAPE.arguments()).eval()
    assert all(torch.equal(keyed.state_dict()[k], v) for k, v in plain.state_dict().items())
    x = torch.randn(2, 3, 8, 12)
    assert torch.allclose(keyed(x), plain(x), atol=1e-6)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(keyed(x).float(), plain(x).float(), atol=0.1)
    assert "variants=3, positions=2x3" in repr(keyed)


def test_other_sizes_are_refused() -> None:
    layer = keyed_model().patch_embed.proj
    with pytest.raises(IncompatibleModelError, match="takes images of 8x12, got 12x8"):
        layer(torch.zeros(1, 3, 12, 8))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keyed_variants": 2}, "needs keyed_variants, keyed_rows and keyed_cols, got variants"),
        ({"keyed_variants": 0, "keyed_rows": 2, "keyed_cols": 3}, "whole numbers of 1 or more"),
        ({"keyed_variants": "9", "keyed_rows": 2, "keyed_cols": 3}, "whole numbers of 1 or more"),
        ({"keyed_variants": 7, "keyed_rows": 2, "keyed_cols": 3}, "at most 6 variants, got 7"),
        ({**SHAPE.arguments(), "keyed_more": 1}, "needs keyed_variants"),
    ],
)
def test_sizes_of_tables(arguments: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=message):
        create_model(NAME, num_classes=2, **ARGUMENTS, **arguments)
    save_run(tmp_path / "run", keyed_model(), PROFILE, architecture=NAME, size=(8, 12), model_args=ARGUMENTS)
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    config["model_args"] = {**ARGUMENTS, **arguments}
    path.write_text(json.dumps(config))
    with pytest.raises(CorruptDataError, match=rf"config\.json is damaged .*{message}"):
        load_run(tmp_path / "run")


def test_run_folders_keep_it(tmp_path: Path) -> None:
    model, run = keyed_model(), tmp_path / "run"
    config = save_run(run, model, PROFILE, architecture=NAME, size=(8, 12), model_args=ARGUMENTS, origin="encrypted")
    assert config["model_args"] == {**ARGUMENTS, "keyed_variants": 3, "keyed_rows": 2, "keyed_cols": 3}
    x = torch.randn(2, 3, 8, 12)
    assert torch.equal(load_run(run).model(x), model(x))
    assert "Whoever\nknows the plain model" in (run / "README.md").read_text()
    import timm

    with pytest.raises(TypeError, match="keyed_"):
        timm.create_model(f"local-dir:{run}", pretrained=True)


@pytest.mark.parametrize(
    ("name", "value"), [("variant_index", 99), ("variant_index", -1), ("variant_sign", 0), ("position_variant", 3)]
)
def test_damaged_tables(name: str, value: int, tmp_path: Path) -> None:
    run = tmp_path / "run"
    save_run(run, keyed_model(), PROFILE, architecture=NAME, size=(8, 12), model_args=ARGUMENTS)
    state = load_file(run / "model.safetensors")
    state[f"patch_embed.proj.{name}"].view(-1)[0] = value
    save_file(state, run / "model.safetensors")
    with pytest.raises(CorruptDataError, match="tables are no signed permutations; restore it"):
        load_run(run)


@pytest.mark.parametrize("rows", [10**9, 10**30, 5])
def test_sizes_are_compared_with_the_file_before_tables_are_made(rows: int, tmp_path: Path) -> None:
    run = tmp_path / "run"
    save_run(run, keyed_model(), PROFILE, architecture=NAME, size=(8, 12), model_args=ARGUMENTS)
    config = json.loads((run / "config.json").read_text())
    config["model_args"] |= {"keyed_rows": rows, "keyed_cols": 10**9}
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        CorruptDataError, match=r"does not hold the keyed embedding .* \(position_variant of \d+, found"
    ):
        load_run(run)
    with pytest.raises(CorruptDataError, match="does not hold the keyed embedding"):
        create_model(NAME, num_classes=2, checkpoint=run, **{**ARGUMENTS, "img_size": (8, 12)})


def test_arguments_that_are_no_architectures_are_refused(tmp_path: Path) -> None:
    run = tmp_path / "run"
    save_run(run, keyed_model(), PROFILE, architecture=NAME, size=(8, 12), model_args=ARGUMENTS)
    config = json.loads((run / "config.json").read_text())
    config["model_args"]["num_classes"] = 3
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(CorruptDataError, match=r"config.json is damaged .model_args has num_classes."):
        load_run(run)


@pytest.mark.parametrize("embedding", ["tied", "per_position", "low_rank", "states"])
def test_a_model_with_an_embedding_of_ours_starts_from_a_run(embedding: str, tmp_path: Path) -> None:
    arguments = {**ARGUMENTS, "embedding": embedding}
    model = create_model(NAME, num_classes=2, **arguments).eval()
    save_run(tmp_path / "run", model, PROFILE, architecture=NAME, size=(8, 12), model_args=arguments)
    sized = {**arguments, "img_size": (8, 12)}
    x = torch.randn(2, 3, 8, 12)
    assert torch.equal(create_model(NAME, num_classes=2, checkpoint=tmp_path / "run", **sized).eval()(x), model(x))
    assert create_model(NAME, num_classes=5, checkpoint=tmp_path / "run", **sized).eval()(x).shape == (2, 5)


def test_both_heads_of_a_distilled_model_are_kept(tmp_path: Path) -> None:
    name, small = "deit_tiny_distilled_patch16_224", {"embed_dim": 16, "depth": 1, "num_heads": 2, "img_size": (32, 32)}
    model = create_model(name, num_classes=3, **small).eval()
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    x = torch.randn(2, 3, 32, 32)
    again = create_model(name, num_classes=3, checkpoint=tmp_path / "w.safetensors", **small).eval()
    assert torch.equal(again(x), model(x))
    assert torch.equal(again.head_dist.weight, model.head_dist.weight)
    fresh = create_model(name, num_classes=5, checkpoint=tmp_path / "w.safetensors", **small).eval()
    assert fresh(x).shape == (2, 5)
    assert torch.equal(fresh.cls_token, model.cls_token)


def test_a_model_starts_from_a_run(tmp_path: Path) -> None:
    model, run = keyed_model(), tmp_path / "run"
    save_run(run, model, PROFILE, architecture=NAME, size=(8, 12), model_args=ARGUMENTS)
    sized = {"img_size": (8, 12), **{k: v for k, v in ARGUMENTS.items() if k != "img_size"}}
    again = create_model(NAME, num_classes=2, checkpoint=run, **sized).eval()
    x = torch.randn(2, 3, 8, 12)
    assert torch.equal(again(x), model(x))
    more = create_model(NAME, num_classes=5, checkpoint=run, **sized).eval()
    assert more(x).shape == (2, 5)
    assert torch.equal(more.patch_embed.proj(x), model.patch_embed.proj(x))
    with pytest.raises(CorruptDataError, match="its embedding is for images of one size"):
        create_model(NAME, num_classes=2, checkpoint=run, **{**sized, "img_size": (16, 12)})
    with pytest.raises(ParameterError, match="holds a vit_micro_patch4_32 and the model is vit_tiny_patch4_32; leave"):
        create_model("vit_tiny_patch4_32", num_classes=2, checkpoint=run)
    with pytest.raises(ParameterError, match=r"model_args say .*'keyed_variants': 2"):
        create_model(NAME, num_classes=2, checkpoint=run, **sized, **KeyedShape(2, 2, 3).arguments())
    # A run without tables starts a model as its weights file does.
    plain = create_model(NAME, num_classes=2, **ARGUMENTS).eval()
    save_run(tmp_path / "plain", plain, PROFILE, architecture=NAME, size=(8, 12), model_args=ARGUMENTS)
    assert torch.equal(create_model(NAME, num_classes=2, checkpoint=tmp_path / "plain", **sized).eval()(x), plain(x))


def test_classes_find_their_places_by_id() -> None:
    model = create_model(NAME, num_classes=3, **ARGUMENTS).eval()
    x = torch.randn(2, 3, 8, 12)
    before = model(x)
    reorder_classes(model, ("a", "b", "c"), ("x", "y", "z"))
    assert torch.equal(model(x), before)
    reorder_classes(model, ("a", "b", "c"), ("c", "a", "b"))
    assert torch.allclose(model(x), before[:, [2, 0, 1]])


def test_first_layers() -> None:
    model = keyed_model()
    assert patch_embedding(model) == ("patch_embed.proj", model.patch_embed.proj)
    assert isinstance(first_layer(model)[1], KeyedConv2d)  # type: ignore[index]
    with pytest.raises(IncompatibleModelError, match="keyed already"):
        attach_keyed(model, SHAPE)
    assert first_layer(torch.nn.Linear(1, 1)) is None
    stub = torch.nn.Linear(1, 1)
    stub.pretrained_cfg = {"first_conv": ("a", "b")}
    with pytest.raises(IncompatibleModelError, match="several first layers"):
        patch_embedding(stub)
    net = torch.nn.Sequential(torch.nn.Conv2d(4, 4, 2, 2, groups=2))
    net.pretrained_cfg = {"first_conv": "0"}
    with pytest.raises(IncompatibleModelError, match="treats its channels apart"):
        patch_embedding(net)


def test_relative_change() -> None:
    a = torch.tensor([3.0, 4.0])
    assert relative_change(a, a) == 0
    assert relative_change(a, -a) == 2
    assert relative_change(a, torch.tensor([3.0, 5.0])) == pytest.approx(0.2)
    assert relative_change(a * 0, a * 0) == 0
    assert relative_change(a * 0, a) == 1
