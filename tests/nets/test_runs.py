"""Run folders: whole, damaged, readable by timm."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from blindsight.errors import CorruptDataError, OutputError  # noqa: E402
from blindsight.nets import create_model  # noqa: E402
from blindsight.nets.runs import UNFINISHED_TRAINING, load_run, read_config, save_run, write_atomic  # noqa: E402
from blindsight.profile import Profile  # noqa: E402

PROFILE = Profile.model_validate(
    {
        "kind": "cipher",
        "scheme": "etc",
        "block_size": 4,
        "size": (8, 12),
        "key_scope": "dataset",
        "key_id": "bsk1-" + "a" * 16,
        "classes": ["b", "a"],
    }
)
ARGUMENTS = {"embed_dim": 32, "depth": 1, "num_heads": 2, "img_size": [8, 12]}
NAME = "vit_micro_patch4_32"


def save(folder: Path, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    model = create_model(NAME, num_classes=2, **ARGUMENTS).eval()
    save_run(
        folder,
        model,
        PROFILE,
        architecture=NAME,
        size=(8, 12),
        model_args=ARGUMENTS,
        results={"val_top1": 0.875, "epochs": 3},
    )
    return model


def test_round_trip(tmp_path: Path) -> None:
    model = save(tmp_path / "run")
    run = load_run(tmp_path / "run")
    assert run.profile == PROFILE
    assert run.size == (8, 12)
    assert not run.model.training
    x = torch.randn(2, 3, 8, 12)
    assert torch.equal(run.model(x), model(x))


def test_equal_runs_are_equal_bytes(tmp_path: Path) -> None:
    for name in "ab":
        save(tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_timm_reads_it(tmp_path: Path) -> None:
    import timm

    model = save(tmp_path / "run")
    other = timm.create_model(f"local-dir:{tmp_path / 'run'}", pretrained=True).eval()
    x = torch.randn(2, 3, 8, 12)
    assert torch.equal(other(x), model(x))
    assert tuple(other.pretrained_cfg["mean"]) == (0.5, 0.5, 0.5)


def test_weights_carry_the_profile(tmp_path: Path) -> None:
    from safetensors import safe_open

    save(tmp_path / "run")
    with safe_open(tmp_path / "run" / "model.safetensors", "pt") as file:
        metadata = file.metadata()
    assert metadata["format"] == "pt"
    assert Profile.from_json(metadata["blindsight.profile"]) == PROFILE


def test_card_is_honest(tmp_path: Path) -> None:
    save(tmp_path / "run")
    card = (tmp_path / "run" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: timm\n")
    assert "visual obfuscation, not cryptography" in card
    assert "| val top1 | 87.50 % |" in card
    assert "secure" not in card.lower()


def test_normalisation_is_kept(tmp_path: Path) -> None:
    import timm

    model = save(tmp_path / "run")
    assert load_run(tmp_path / "run").normalisation == (0.5, 0.5)
    mixed = Profile(kind="mix", scheme="pbm", size=(8, 12), classes=("b", "a"))
    save_run(
        tmp_path / "mix",
        model,
        mixed,
        architecture=NAME,
        size=(8, 12),
        model_args=ARGUMENTS,
        mean=0.0,
        std=1.0,
    )
    assert load_run(tmp_path / "mix").normalisation == (0.0, 1.0)
    assert "normalised with mean 0 and std 1\n" in (tmp_path / "mix" / "README.md").read_text()
    cfg = timm.create_model(f"local-dir:{tmp_path / 'mix'}", pretrained=True).pretrained_cfg
    assert (tuple(cfg["mean"]), tuple(cfg["std"])) == ((0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": [0.5, 0.5, 0.4]}, r"config\.json is damaged \(mean is .* expected one number for all channels"),
        ({"std": [0.0] * 3}, r"config\.json is damaged \(std is 0.0, expected more than 0"),
        ({"std": [float("nan")] * 3}, r"config\.json is damaged"),
        ({"mean": []}, r"config\.json is damaged"),
        ({"mean": 0.5}, r"config\.json is damaged"),
        ({"mean": ["half"] * 3}, r"config\.json is damaged"),
        ({"mean": [0.0] * 3, "std": [1.0] * 3}, "says mean 0 and std 1; models of enciphered images have 0.5 and 0.5"),
    ],
)
def test_normalisations_that_cannot_be(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    save(tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    config["pretrained_cfg"].update(change)
    path.write_text(json.dumps(config))
    with pytest.raises(CorruptDataError, match=message):
        load_run(tmp_path / "run")


def test_a_configuration_that_states_no_normalisation_means_halves(tmp_path: Path) -> None:
    save(tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    del config["pretrained_cfg"]["mean"], config["pretrained_cfg"]["std"]
    path.write_text(json.dumps(config))
    assert load_run(tmp_path / "run").normalisation == (0.5, 0.5)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "profile.json"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"\x00" * 100, b"[" * 100_000])
def test_damaged_files_are_named(tmp_path: Path, name: str, content: bytes | None) -> None:
    save(tmp_path / "run")
    path = tmp_path / "run" / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(CorruptDataError, match=name):
        load_run(tmp_path / "run")


def test_cut_off_weights_are_named(tmp_path: Path) -> None:
    save(tmp_path / "run")
    path = tmp_path / "run" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CorruptDataError, match=r"model\.safetensors is damaged"):
        load_run(tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_args": {**ARGUMENTS, "depth": 2}}, "does not hold the weights config.json describes"),
        ({"num_classes": 3}, "says 3 classes and 3 channels, profile.json beside it says 2 and 3"),
        ({"pretrained_cfg": {"input_size": [3, 8]}}, r"config\.json is damaged"),
        ({"architecture": 7}, r"config\.json is damaged"),
    ],
)
def test_files_of_different_runs(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    save(tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(CorruptDataError, match=message):
        load_run(tmp_path / "run")


def test_unfinished_and_missing(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is not a folder"):
        read_config(tmp_path / "nothing")
    save(tmp_path / "run")
    marker = tmp_path / "run" / ".incomplete"
    marker.write_text(UNFINISHED_TRAINING)
    with pytest.raises(OutputError, match=r"has not finished; finish it with train --resume$"):
        read_config(tmp_path / "run")
    marker.write_text("Something else.\n")
    with pytest.raises(OutputError, match="not written to its end; delete it and repeat the command"):
        read_config(tmp_path / "run")


def test_atomic_write_leaves_the_old_file_on_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    write_atomic(path, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match=r"cannot write .*x\.json: No space left on device"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_importing_is_light() -> None:
    code = (
        "import sys, blindsight.nets, blindsight.nets.runs; sys.exit('torch' in sys.modules or 'timm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
