import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from protect_helpers import KEY, OTHER, picture, refused

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")

from torchvision import tv_tensors  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

from blindsight.errors import ParameterError, PassphraseError, ProfileError, WrongKeyError  # noqa: E402
from blindsight.owner import _keyformat  # noqa: E402
from blindsight.owner.keyfile import create_keyfile  # noqa: E402
from blindsight.owner.keys import KeyReference, Keyset  # noqa: E402
from blindsight.owner.protection import Protection  # noqa: E402
from blindsight.owner.transforms import Decrypt, Encrypt  # noqa: E402
from blindsight.profile import Profile  # noqa: E402


def profile(**changes):
    base = {"kind": "cipher", "scheme": "etc", "block_size": 4, "key_scope": "dataset", "key_id": KEY.id}
    return Profile(**{**base, **changes})


def tensor(pixels):
    return torch.from_numpy(pixels.copy()).movedim(-1, -3)


def array(tensor):
    return tensor.movedim(-3, -1).numpy()


PLAIN = picture(16, 24)


@pytest.mark.parametrize("scheme", ["ele", "etc", "le", "np", "pe", "shf"])
def test_every_form_of_an_image_is_encrypted_alike(scheme):
    p = profile(scheme=scheme)
    encrypt = Encrypt(p, KEY)
    expected = Protection(p, KEY).encrypt(PLAIN)
    pil = encrypt(Image.fromarray(PLAIN))
    assert isinstance(pil, Image.Image)
    assert pil.mode == "RGB"
    assert np.array_equal(np.asarray(pil), expected)
    assert np.array_equal(array(encrypt(tensor(PLAIN))), expected)
    image = encrypt(tv_tensors.Image(tensor(PLAIN)))
    assert type(image) is tv_tensors.Image
    assert np.array_equal(array(torch.as_tensor(image)), expected)
    video = encrypt(tv_tensors.Video(tensor(PLAIN).repeat(3, 1, 1, 1)))
    assert type(video) is tv_tensors.Video
    assert all(np.array_equal(array(frame.as_subclass(torch.Tensor)), expected) for frame in video)


def test_gray_images():
    p = profile(channels=1)
    expected = Protection(p, KEY).encrypt(PLAIN[:, :, :1])
    pil = Encrypt(p, KEY)(Image.fromarray(PLAIN[:, :, 0]))
    assert pil.mode == "L"
    assert np.array_equal(np.asarray(pil), expected[:, :, 0])
    assert np.array_equal(array(Encrypt(p, KEY)(tensor(PLAIN[:, :, :1]))), expected)
    assert np.array_equal(np.asarray(Decrypt(p, KEY)(pil)), PLAIN[:, :, 0])


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.integers(0, 3), max_size=3),
    st.sampled_from(["ele", "etc", "le", "np", "pe", "shf"]),
    st.integers(0, 99),
)
def test_decrypt_undoes_encrypt_on_any_leading_dimensions(leading, scheme, seed):
    p = profile(scheme=scheme)
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (*leading, 3, 8, 12), dtype=torch.uint8, generator=generator)
    hidden = Encrypt(p, KEY)(images)
    assert hidden.shape == images.shape
    assert hidden.dtype == torch.uint8
    assert torch.equal(Decrypt(p, KEY)(hidden), images)
    if images.numel():
        first = images.reshape(-1, 3, 8, 12)[0]
        assert torch.equal(hidden.reshape(-1, 3, 8, 12)[0], Encrypt(p, KEY)(first))


def test_labels_boxes_and_masks_are_left_alone():
    boxes = tv_tensors.BoundingBoxes([[1, 2, 3, 4]], format="XYXY", canvas_size=(16, 24))
    mask = tv_tensors.Mask(torch.ones(16, 24, dtype=torch.uint8))
    sample = {"image": tv_tensors.Image(tensor(PLAIN)), "boxes": boxes, "mask": mask, "label": 3, "name": "kim"}
    out = Encrypt(profile(), KEY)(sample)
    assert not torch.equal(out["image"], sample["image"])
    assert torch.equal(out["boxes"], boxes)
    assert torch.equal(out["mask"], mask)
    assert (out["label"], out["name"]) == (3, "kim")
    image, label = Encrypt(profile(), KEY)(Image.fromarray(PLAIN), torch.tensor(7))
    assert isinstance(image, Image.Image)
    assert label == 7
    image, label = Encrypt(profile(), KEY)(tensor(PLAIN), torch.tensor(7))
    assert np.array_equal(array(image), Protection(profile(), KEY).encrypt(PLAIN))
    assert label == 7


def test_what_would_pass_through_in_the_clear_is_refused():
    encrypt = Encrypt(profile(), KEY)
    boxes = tv_tensors.BoundingBoxes([[1, 2, 3, 4]], format="XYXY", canvas_size=(16, 24))
    end = "; convert it first"
    for sample, found in [(PLAIN, "ndarray"), ((PLAIN, 3), "int, ndarray"), (boxes, "BoundingBoxes"), ([], "nothing")]:
        text = refused(ParameterError, encrypt, sample)
        assert text == f"expected a PIL image or a uint8 tensor (..., C, H, W), got {found}{end}"


def test_in_a_composition():
    transform = v2.Compose(
        [v2.ToImage(), v2.Resize((16, 24)), Encrypt(profile(), KEY), v2.ToDtype(torch.float, scale=True)]
    )
    out = transform(Image.fromarray(PLAIN))
    assert torch.allclose(out, tensor(Protection(profile(), KEY).encrypt(PLAIN)).float() / 255)


def test_the_input_is_left_as_it_is():
    image = tensor(PLAIN)
    Encrypt(profile(), KEY)(image)
    assert np.array_equal(array(image), PLAIN)


def test_what_does_not_fit_is_refused():
    encrypt = Encrypt(profile(), KEY)
    text = refused(ParameterError, encrypt, tensor(PLAIN).float())
    assert text == "images must be uint8, got torch.float32; encrypt pixels before normalising them"
    assert "block" in refused(ParameterError, encrypt, torch.zeros(3, 15, 24, dtype=torch.uint8))
    assert "block" in refused(ParameterError, encrypt, Image.new("RGB", (24, 15)))
    assert "(1, 16, 24)" in refused(ParameterError, encrypt, torch.zeros(1, 16, 24, dtype=torch.uint8))
    text = refused(ParameterError, encrypt, torch.zeros(16, 24, dtype=torch.uint8))
    assert text == "an image tensor has shape (..., C, H, W), got (16, 24)"
    for mode in ("L", "RGBA", "P", "CMYK"):
        text = refused(ParameterError, encrypt, Image.new(mode, (24, 16)))
        assert text == f"expected a PIL image of mode RGB, got {mode}; convert it first"


def test_another_size_than_the_profiles_is_refused():
    p = profile(size=(16, 24))
    assert torch.equal(Decrypt(p, KEY)(Encrypt(p, KEY)(tensor(PLAIN))), tensor(PLAIN))
    for kind, advice in ((Encrypt, "resize it before"), (Decrypt, "decrypt the image as it was protected")):
        for image in (tensor(picture(32, 48)), Image.fromarray(picture(32, 48))):
            text = refused(ParameterError, kind(p, KEY), image)
            assert text == f"the profile is for images of 16x24 pixels, got 32x48; {advice}"


@pytest.mark.parametrize("scope", ["image", "pool:3"])
@pytest.mark.parametrize("kind", [Encrypt, Decrypt])
def test_scopes_that_need_an_id_are_refused(kind, scope):
    text = refused(ParameterError, kind, profile(key_scope=scope), KEY)
    assert text == (
        f"a transform does not know image ids, which key scope '{scope}' needs; "
        f"use key scope 'dataset', or the command blindsight protect"
    )


def test_another_key_or_kind_is_refused():
    assert OTHER.id in refused(WrongKeyError, Encrypt, profile(), OTHER)
    assert "kind 'plain'" in refused(ProfileError, Encrypt, Profile(kind="plain"), KEY)


# Keys stay where they are


def test_the_repr_shows_no_key():
    text = repr(v2.Compose([Encrypt(profile(), KEY), Decrypt(profile(), KEY)]))
    assert "Encrypt(etc, blocks of 4" in text
    secret = bytes(range(32))
    assert not any(form in text for form in (secret.hex(), repr(secret)[2:-1], _keyformat._encode(secret)))


def test_a_transform_that_holds_a_key_is_not_pickled():
    with pytest.raises(TypeError) as caught:
        pickle.dumps(Encrypt(profile(), KEY))
    assert str(caught.value) == (
        "Encrypt holds a secret key, which is never pickled; make it with KeyReference.of(KEY_FILE), "
        "so that worker processes load the key themselves"
    )


@pytest.fixture
def reference(tmp_path):
    create_keyfile(tmp_path / "owner.key", Keyset.new(KEY))
    return KeyReference.of(tmp_path / "owner.key")


@pytest.mark.parametrize("kind", [Encrypt, Decrypt])
def test_with_a_reference_it_is_and_the_pickle_holds_no_key(kind, reference):
    transform = kind(profile(), reference)
    data = pickle.dumps(transform)
    assert bytes(range(32)) not in data
    assert _keyformat._encode(bytes(range(32))).encode() not in data
    assert torch.equal(pickle.loads(data)(tensor(PLAIN)), transform(tensor(PLAIN)))


class Pictures(torch.utils.data.Dataset):
    """Each image through a transform of its own."""

    def __init__(self, *transforms):
        self.transforms = transforms

    def __len__(self):
        return len(self.transforms)

    def __getitem__(self, i):
        return self.transforms[i](tensor(picture(16, 24, i))), i


def test_a_spawned_worker_loads_the_key_itself_and_says_if_it_cannot_ask_for_a_passphrase(reference, tmp_path):
    locked = tmp_path / "locked.key"
    create_keyfile(locked, Keyset.new(KEY), "correct horse")
    encrypt = Encrypt(profile(), reference)
    silent = Encrypt(profile(), KeyReference.of(locked, passphrase="correct horse"))
    loader = torch.utils.data.DataLoader(
        Pictures(encrypt, encrypt, silent), batch_size=2, num_workers=1, multiprocessing_context="spawn"
    )
    batches = iter(loader)
    images, labels = next(batches)
    expected = [Protection(profile(), KEY).encrypt(picture(16, 24, i)) for i in range(2)]
    assert np.array_equal(array(images), np.stack(expected))
    assert labels.tolist() == [0, 1]
    with pytest.raises(PassphraseError) as caught:
        next(batches)
    assert (
        str(caught.value)
        .splitlines()[-1]
        .endswith(
            f"{locked} is protected by a passphrase and a worker process cannot ask for it; "
            "set BLINDSIGHT_PASSPHRASE, which workers inherit"
        )
    )
