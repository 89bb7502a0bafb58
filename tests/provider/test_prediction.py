"""Prediction: probabilities for images that are protected already, and nothing for others."""

from pathlib import Path

import numpy as np
import pytest
import torch
from fixed_runs import Broken, run_of
from provider_helpers import CLASSES, TINY, cipher_profile

from blindsight.errors import CorruptDataError, ParameterError, ProfileMismatchError
from blindsight.nets import create_model
from blindsight.nets.runs import Run, load_run, save_run
from blindsight.profile import Profile
from blindsight.provider.prediction import pick_device, predict


def test_prediction_gives_probabilities() -> None:
    images = np.zeros((5, 8, 8, 3), np.uint8)
    images[:, :, :, 1] = 255
    found = predict(run_of(cipher_profile()), images, batch_size=2)
    assert found.shape == (5, 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-6)
    assert (found.argmax(1) == 1).all()
    assert predict(run_of(cipher_profile()), images[:0]).shape == (0, 3)


def test_prediction_refuses_other_arrays() -> None:
    run = run_of(cipher_profile())
    with pytest.raises(ParameterError, match=r"must be uint8 \(N, H, W, C\), got float64"):
        predict(run, np.zeros((1, 8, 8, 3)))
    with pytest.raises(ParameterError, match=r"got uint8 \(8, 8, 3\)"):
        predict(run, np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ProfileMismatchError, match=r"takes images of 8x8x3 .*, got 3x8x8"):
        predict(run, np.zeros((1, 3, 8, 8), np.uint8))


def test_unknown_device() -> None:
    for name in ("warp:0", "cuda:99"):
        with pytest.raises(ParameterError, match=f"device '{name}' cannot be used here"):
            pick_device(name)


def test_a_saved_run_predicts_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = create_model("vit_micro_patch4_32", num_classes=3, img_size=(8, 8), **TINY).eval()
    profile = cipher_profile()
    args = {**TINY, "img_size": [8, 8]}
    config = save_run(tmp_path / "r", model, profile, architecture="vit_micro_patch4_32", size=(8, 8), model_args=args)
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
    assert np.array_equal(predict(Run(model, profile, config), images), predict(load_run(tmp_path / "r"), images))


def test_images_are_normalised_as_in_the_training(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = create_model("vit_micro_patch4_32", num_classes=3, img_size=(8, 8), **TINY).eval()
    profile = Profile(kind="mix", scheme="pbm", size=(8, 8), classes=CLASSES)
    args = {**TINY, "img_size": [8, 8]}
    save_run(
        tmp_path / "r",
        model,
        profile,
        architecture="vit_micro_patch4_32",
        size=(8, 8),
        model_args=args,
        mean=0.0,
        std=1.0,
    )
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
    with torch.inference_mode():
        expected = model(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255).softmax(1).numpy()
    np.testing.assert_allclose(predict(load_run(tmp_path / "r"), images), expected, rtol=1e-5)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_give_no_finite_numbers_give_no_answer(value: float) -> None:
    with pytest.raises(CorruptDataError, match=r"give no finite numbers .*; train again"):
        predict(run_of(cipher_profile(), Broken(value)), np.zeros((2, 8, 8, 3), np.uint8))
