"""A start model: brings the blocks of every image into one state, and knows nothing else of the key."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from blindsight.errors import (  # noqa: E402
    IncompatibleModelError,
    OutputError,
    ParameterError,
    ProfileError,
    WrongKeyError,
)
from blindsight.nets.keyed_embedding import keyed_layer  # noqa: E402
from blindsight.nets.runs import load_run, read_config  # noqa: E402
from blindsight.owner._patches import PatchStates  # noqa: E402
from blindsight.owner.keys import SecretKey  # noqa: E402
from blindsight.owner.model_cipher import decrypt_model  # noqa: E402
from blindsight.owner.protection import Protection  # noqa: E402
from blindsight.owner.start_model import make_start_model  # noqa: E402
from model_cipher_helpers import KEY, OTHER, TINY, logits, pictures, profile_of  # noqa: E402

NAME, MIXER, SIZE = "vit_micro_patch4_32", "convmixer_128_4_patch4_32", (16, 24)
SHALLOW = {"depth": 1, "dim": 16}
KINDS = [("etc", 4, NAME, TINY), ("etc", 8, NAME, TINY), ("bps", 4, NAME, TINY), ("etc", 4, MIXER, SHALLOW)]


def tokens(model, pixels):
    """What the first layer gives for each patch, float64 (N, patches, width)."""
    values = torch.from_numpy((pixels / 127.5 - 1).transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        return keyed_layer(model).double()(values).flatten(2).transpose(1, 2).numpy()


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 1 << 30),
    kind=st.sampled_from(
        [("etc", 4, NAME, TINY), ("etc", 8, NAME, TINY), ("bps", 4, NAME, TINY), ("etc", 4, MIXER, SHALLOW)]
    ),
)
def test_tokens_are_those_of_the_plain_image_in_another_order(tmp_path_factory, seed, kind):
    scheme, block, name, arguments = kind
    key = SecretKey(seed.to_bytes(32, "little"))
    profile = profile_of(scheme, block, SIZE, key=key, **({"scramble": True} if scheme == "bps" else {}))
    out = tmp_path_factory.mktemp("start") / "run"
    made = make_start_model(name, out, profile, key, model_args=arguments, seed=seed)
    assert made.positions == 24
    run = load_run(out)
    plain = pictures(SIZE, seed=seed % 1000)
    protected = np.stack([Protection(profile, key).encrypt(image) for image in plain])
    seen = tokens(run.model, protected)[0]
    # Without its table the layer sees a patch as it lies; so do the patches of the plain image in the common state.
    keyed_layer(run.model).position_variant.zero_()
    turned = _in_common_state(plain[:1], Protection(profile, key).permutation(*SIZE), scheme)
    wanted = tokens(run.model, turned)[0]
    assert np.allclose(_sorted(seen), _sorted(wanted), atol=1e-9)


def _sorted(values):
    return values[np.lexsort(values.T.round(6))]


def _in_common_state(plain, permutation, scheme):
    """Plain images whose every patch is in the state that the protected one's first position has."""
    states = PatchStates.of(permutation, (4, 4), scheme, 4)
    rows, cols = SIZE[0] // 4, SIZE[1] // 4
    patches = plain.reshape(-1, rows, 4, cols, 4, 3).transpose(0, 1, 3, 5, 2, 4).reshape(-1, rows, cols, 48)
    taken = patches[..., states.index[0]]
    taken = np.where(states.sign[0] < 0, 255 - taken, taken).reshape(-1, rows, cols, 3, 4, 4)
    return np.ascontiguousarray(taken.transpose(0, 1, 4, 2, 5, 3).reshape(plain.shape))


def test_weights_are_random_and_say_nothing_of_the_key(tmp_path):
    """Two keys, one seed: the same weights; only the tables differ."""
    states = []
    for number, key in enumerate((KEY, OTHER)):
        make_start_model(
            NAME, tmp_path / str(number), profile_of("etc", 4, SIZE, key=key), key, model_args=TINY, seed=3
        )
        states.append(load_run(tmp_path / str(number)).model.state_dict())
    tables = {name for name in states[0] if name.split(".")[-1].startswith(("variant_", "position_variant"))}
    assert len(tables) == 3
    for name in states[0].keys() - tables:
        assert torch.equal(states[0][name], states[1][name]), name
    assert any(not torch.equal(states[0][name], states[1][name]) for name in tables)


def test_without_a_seed_the_weights_are_new_each_time_and_torchs_draws_go_on(tmp_path):
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    profile = profile_of("etc", 4, SIZE)
    for name in "ab":
        make_start_model(NAME, tmp_path / name, profile, KEY, model_args=TINY)
    assert torch.equal(torch.rand(3), wanted)
    a, b = (load_run(tmp_path / name).model.state_dict()["patch_embed.proj.weight"] for name in "ab")
    assert not torch.equal(a, b)


def test_the_run_is_for_this_set_and_says_that_it_is_untrained(tmp_path):
    profile = profile_of("etc", 4, SIZE)
    make_start_model(NAME, tmp_path / "run", profile, KEY, model_args=TINY)
    stored, config = read_config(tmp_path / "run")
    assert stored == profile
    assert "encrypted" not in config
    card = (tmp_path / "run" / "README.md").read_text()
    assert "not trained yet, for protected images" in card
    assert "a table of how blocks are turned" in card


def test_it_can_be_decrypted_as_an_encrypted_model_can(tmp_path):
    """What a provider made of it is the owner's to use on plain images."""
    profile = profile_of("etc", 4, SIZE)
    make_start_model(NAME, tmp_path / "run", profile, KEY, model_args=TINY, seed=0)
    run = load_run(tmp_path / "run")
    with torch.no_grad():  # as training would
        for parameter in run.model.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.1)
    plain = pictures(SIZE)
    protected = np.stack([Protection(profile, KEY).encrypt(image) for image in plain])
    released = decrypt_model(run.model, profile, KEY)
    assert np.allclose(logits(released, plain), logits(run.model, protected), atol=1e-9)


def test_while_it_is_written_nothing_takes_it_for_a_run(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OutputError("no space")

    monkeypatch.setattr("blindsight.nets.runs.save_run", full)
    with pytest.raises(OutputError, match="no space"):
        make_start_model(NAME, tmp_path / "run", profile_of("etc", 4, SIZE), KEY, model_args=TINY)
    with pytest.raises(OutputError, match="delete it and repeat the command"):
        load_run(tmp_path / "run")


@pytest.mark.parametrize(
    ("profile", "name", "error", "said"),
    [
        (profile_of("shf", 4, SIZE), NAME, ParameterError, "gives all blocks one state"),
        (profile_of("pe", 4, SIZE), NAME, ParameterError, "leaves the blocks in their places"),
        (profile_of("le", 4, SIZE), NAME, ParameterError, "no linear function"),
        (profile_of("etc", 4, SIZE, key=OTHER), NAME, WrongKeyError, "the key at hand"),
        (profile_of("etc", 4, SIZE).model_copy(update={"key_scope": "image"}), NAME, ProfileError, "of its own"),
        (profile_of("etc", 4, SIZE).model_copy(update={"size": None}), NAME, ProfileError, "no stated size"),
        (profile_of("etc", 4, SIZE).model_copy(update={"classes": ()}), NAME, ProfileError, "no classes"),
        (profile_of("etc", 4, (32, 32)), "resnet_micro", IncompatibleModelError, "overlap"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(tmp_path, profile, name, error, said):
    with pytest.raises(error, match=said):
        make_start_model(name, tmp_path / "run", profile, KEY)
    assert not (tmp_path / "run").exists()


def test_relative_positions_are_refused_and_nothing_is_written(tmp_path):
    small = {"depth": 1, "embed_dim": 16, "num_heads": 2}
    for name, part in (
        ("beit_base_patch16_224", "relative_position_bias_table"),
        ("beitv2_base_patch16_224", "relative_position_bias_table"),
        ("eva02_tiny_patch14_224", "rope"),
    ):
        size, block = ((28, 28), 14) if "14" in name else ((32, 32), 16)
        with pytest.raises(
            IncompatibleModelError, match=f"relative or rotary positions .*{part}.*could not be decrypted"
        ):
            make_start_model(name, tmp_path / "run", profile_of("etc", block, size), KEY, model_args=small)
        assert not (tmp_path / "run").exists()


def test_trained_weights_are_no_argument_of_a_start_model(tmp_path):
    for name in ("pretrained", "checkpoint"):
        with pytest.raises(ParameterError, match=f"untrained, so '{name}' is no argument .* encrypt-model"):
            make_start_model(NAME, tmp_path / "run", profile_of("etc", 4, SIZE), KEY, model_args={name: True})


def test_a_folder_that_is_not_ours_and_a_reserved_argument_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        make_start_model(NAME, tmp_path, profile_of("etc", 4, SIZE), KEY)
    for name in ("num_classes", "img_size", "keyed_rows", "embedding"):
        with pytest.raises(ParameterError, match=f"'{name}' is for start-model itself"):
            make_start_model(NAME, tmp_path / "run", profile_of("etc", 4, SIZE), KEY, model_args={name: 3})
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot make"):
        make_start_model(NAME, tmp_path / "file" / "run", profile_of("etc", 4, SIZE), KEY, model_args=TINY)
    (tmp_path / "file").unlink()
    assert [path.name for path in Path(tmp_path).iterdir()] == ["notes.txt"]
