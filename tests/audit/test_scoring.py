"""Scores: what perfect, turned and useless reconstructions are worth, beside their chance levels."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from blindsight.algebra import BlockGrid, SignedPermutation
from blindsight.audit.attack import Reconstruction
from blindsight.audit.global_states import in_state, state_permutation
from blindsight.audit.metrics import correlation
from blindsight.audit.scenario import Truth, make_scenario
from blindsight.audit.scores import CHANCE
from blindsight.audit.scoring import Yardstick, chance_levels, key_share, score
from blindsight.errors import ParameterError


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    """Eight crops of a photograph, uint8 (8, 16, 16, 3)."""
    datasets = pytest.importorskip("sklearn.datasets")
    photograph = datasets.load_sample_image("flower.jpg")
    return np.stack([photograph[y : y + 64 : 4, x : x + 64 : 4] for y in (60, 200) for x in (80, 200, 320, 440)])


def test_the_truth_scores_full_marks(crops: np.ndarray) -> None:
    scenario = make_scenario(crops, "etc", 4, labels=np.arange(8) % 2)
    truth = scenario.truth
    found = score(
        Reconstruction(crops, truth.key),
        truth,
        scenario.observation,
        by=Yardstick(
            classify=lambda images: np.arange(len(images)) % 2,
            features=lambda images: images.reshape(len(images), -1),
        ),
    )
    assert found.images == 8
    assert found.best is None
    top = found.top
    assert {name: value.mean for name, value in top.measures.items()} == {
        "ssim": pytest.approx(1),
        "psnr": 100,
        "correlation": pytest.approx(1),
    }
    assert top.exact.mean == 1
    assert top.key is not None
    assert (top.key.samples, top.key.blocks) == (1, 1)
    assert [top.reidentified[name].top1.mean for name in ("pixels", "features")] == [1, 1]
    assert top.reidentified["pixels"].chance == 1 / 8
    assert top.label_accuracy is not None
    assert top.label_accuracy.mean == 1
    assert found.levels.commonest_class == 0.5
    json.dumps(asdict(found), allow_nan=False)


def test_a_turned_picture_scores_in_its_best_state_and_so_does_its_key(crops: np.ndarray) -> None:
    scenario = make_scenario(crops, "etc", 4)
    key = scenario.truth.key
    state = state_permutation(BlockGrid(16, 16, 3, 4), (5, 1, 3))
    turned = Reconstruction(state.apply(crops), key @ state.inverse(), symmetric=True)
    found = score(turned, scenario.truth, scenario.observation)
    assert found.pick.exact.mean == 0
    assert found.pick.key is not None
    assert found.pick.key.blocks == 0
    assert found.best is not None
    assert found.best.exact.mean == 1
    assert found.best.key is not None
    assert (found.best.key.samples, found.best.key.blocks) == (1, 1)
    assert found.top is found.best
    # An attack that does not claim the symmetry gets no such help.
    assert score(Reconstruction(turned.images), scenario.truth, scenario.observation).best is None


def test_states_of_their_own_are_taken_back_only_where_images_have_keys_of_their_own(crops: np.ndarray) -> None:
    several = np.concatenate([in_state(image[None], (k, k % 2, k % 6)) for k, image in enumerate(crops)])
    found = Reconstruction(several, symmetric=True)
    own = make_scenario(crops, "etc", 4, key_scope="image")
    one = make_scenario(crops, "etc", 4)
    assert score(found, own.truth, own.observation).top.exact.mean == 1
    assert score(found, one.truth, one.observation).top.exact.mean < 1
    assert score(found, one.truth, one.observation, one_state=False).top.exact.mean == 1


def test_what_nobody_could_see_scores_at_chance(crops: np.ndarray) -> None:
    scenario = make_scenario(crops, "etc", 4)
    noise = np.random.default_rng(0).integers(0, 256, crops.shape, np.uint8)
    found = score(Reconstruction(noise, SignedPermutation.identity((16, 16, 3))), scenario.truth, scenario.observation)
    assert found.top.measures["ssim"].mean < found.levels.chance_of("ssim").mean
    assert found.top.exact.mean == 0
    assert found.top.key is not None
    assert found.top.key.samples < 0.05
    assert found.top.key.blocks is None


def test_chance_levels_by_hand(crops: np.ndarray) -> None:
    scenario = make_scenario(crops, "etc", 4)
    levels = chance_levels(scenario.truth, scenario.observation)
    colours = np.rint(crops.mean(axis=(1, 2), keepdims=True)).astype(np.uint8) + 0 * crops
    assert levels.references["mean_colour"]["correlation"].mean == pytest.approx(
        np.mean([correlation(a, b) for a, b in zip(colours, crops, strict=True)])
    )
    assert levels.references["black"]["correlation"].mean == 0
    others = [np.rint(np.delete(crops, k, 0).mean(0)).astype(np.uint8) for k in range(8)]
    assert levels.references["mean_image"]["correlation"].mean == pytest.approx(
        np.mean([correlation(a, b) for a, b in zip(others, crops, strict=True)]), abs=1e-3
    )
    for measure in ("ssim", "psnr"):
        assert levels.chance_of(measure).mean == max(levels.references[name][measure].mean for name in CHANCE)
    assert levels.protected.exact.mean == 0


def test_choosing_among_states_is_chance_too(crops: np.ndarray) -> None:
    scenario = make_scenario(crops, "etc", 4, key_scope="image")
    levels = chance_levels(scenario.truth, scenario.observation)
    turned, straight = levels.references["turned_image"], levels.references["random_image"]
    assert turned["ssim"].mean > straight["ssim"].mean
    mean, as_it_is = levels.references["turned_mean"], levels.references["mean_image"]
    assert mean["ssim"].mean > as_it_is["ssim"].mean
    guesses = [turned["ssim"].mean, mean["ssim"].mean, levels.chance_of("ssim").mean]
    assert levels.chance_of("ssim", turned=True).mean == max(guesses)
    # One state for all is a smaller choice than one for each.
    one = chance_levels(scenario.truth, scenario.observation, one_state=True).references["turned_image"]
    assert one["ssim"].mean < turned["ssim"].mean


def test_a_single_original_has_no_gallery_and_others_make_one(crops: np.ndarray) -> None:
    scenario = make_scenario(crops[:1], "etc", 4, "one-image")
    alone = chance_levels(scenario.truth, scenario.observation)
    assert alone.references.keys() == {"mean_image", "turned_mean", "mean_colour", "black", "protected"}
    assert alone.protected.reidentified == {}
    among = chance_levels(scenario.truth, scenario.observation, others=crops[1:])
    assert "random_image" in among.references
    assert among.protected.reidentified["pixels"].candidates == 8


def test_public_images_are_what_the_mean_image_is_of(crops: np.ndarray) -> None:
    scenario = make_scenario(crops, "etc", 4, public=np.full((2, 16, 16, 3), 9, np.uint8))
    levels = chance_levels(scenario.truth, scenario.observation)
    assert levels.references["mean_image"]["correlation"].mean == 0


def test_reconstructions_of_another_shape_are_refused(crops: np.ndarray) -> None:
    scenario = make_scenario(crops, "etc", 4)
    with pytest.raises(ParameterError, match="one image for each that it saw"):
        score(Reconstruction(crops[:3]), scenario.truth, scenario.observation)
    with pytest.raises(ParameterError, match="not of one scenario"):
        chance_levels(Truth(crops[:2]), scenario.observation)


def test_keys_of_nibbles_and_of_bytes_are_compared_by_nibbles() -> None:
    one = SignedPermutation.identity((4, 4, 1))
    half = np.arange(32)
    half[[0, 2]] = half[[2, 0]]
    found = key_share(SignedPermutation((4, 4, 1), half, sample="nibble"), one)
    assert found is not None
    assert found.samples == 30 / 32
    assert found.blocks is None
    assert key_share(SignedPermutation.identity((4, 4, 3)), one) is None
