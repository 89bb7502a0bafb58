"""The jigsaw over a whole set: finds keys that images share, and finds nothing where there is nothing to find."""

from functools import cache

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from blindsight.algebra import BlockPermutation
from blindsight.audit import Budget, get_attack
from blindsight.audit.block_scores import BlockScores, score_blocks
from blindsight.audit.scenario import Scenario, make_scenario
from blindsight.errors import ParameterError

ATTACK = get_attack("dataset-jigsaw")


@cache
def photographs(count: int, height: int = 32, width: int = 32, gray: bool = False) -> np.ndarray:
    """Crops of the two bundled photographs at half size, uint8 (count, height, width, C)."""
    whole = [photo[:426].astype(int) for photo in load_sample_images().images]
    photos = [photo[::2, ::2] + photo[1::2, 1::2] for photo in whole]
    rng = np.random.default_rng(0)
    crops = []
    for number in range(count):
        photo = photos[number % 2] // 2
        top, left = rng.integers(photo.shape[0] - height), rng.integers(photo.shape[1] - width)
        crops.append(photo[top : top + height, left : left + width])
    images = np.stack(crops).astype(np.uint8)
    return images[..., 1:2] if gray else images


def scores_of(made: Scenario, truth: BlockPermutation | None = None) -> BlockScores:
    found = ATTACK.run(made.observation, Budget(seed=1))
    assert isinstance(found.key, BlockPermutation)
    # The key that is given back is that of the images that are given back.
    assert np.array_equal(found.key.apply(found.images), made.observation.images)
    assert found.symmetric
    return score_blocks(found.key, truth or made.truth.key)


@pytest.mark.parametrize(
    ("plain", "block"),
    [
        (photographs(12), 8),
        (photographs(20), 4),
        (photographs(12, 24, 40), 8),
        (photographs(12, gray=True), 8),
    ],
    ids=["8", "4", "wide", "gray"],
)
def test_a_shared_key_is_found(plain: np.ndarray, block: int) -> None:
    scores = scores_of(make_scenario(plain, "etc", block, seed=3))
    assert scores.direct >= 0.95
    assert scores.placed == 1


def test_a_scheme_that_only_moves_blocks_leaves_no_state_open() -> None:
    made = make_scenario(photographs(8), "rrp", 8, parameters={"blocks": 1.0, "samples": 0.0})
    found = ATTACK.run(made.observation, Budget())
    assert np.array_equal(found.images, made.truth.images)


def test_jpeg_does_not_stop_it() -> None:
    from blindsight.profile import Codec

    codec = Codec(format="jpeg", quality=80, subsampling="4:4:4")
    made = make_scenario(photographs(16), "etc", 8, seed=4, codec=codec)
    assert scores_of(made).placed == 1


@pytest.mark.parametrize("null", ["keys per image", "noise"])
def test_nulls_are_not_solved(null: str) -> None:
    if null == "noise":
        plain = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), np.uint8)
        made, truth = make_scenario(plain, "etc", 4, seed=5), None
    else:
        made = make_scenario(photographs(10), "etc", 4, seed=5, key_scope="image")
        truth = make_scenario(photographs(1), "etc", 4, seed=5).truth.key
    found = ATTACK.run(made.observation, Budget(2, seed=1))  # no time would be enough
    assert isinstance(found.key, BlockPermutation)
    scores = score_blocks(found.key, truth or made.truth.key)
    assert scores.direct < 0.15
    assert scores.neighbour < 0.1


def test_the_same_seed_gives_the_same_and_little_time_gives_something() -> None:
    made = make_scenario(photographs(1), "etc", 8, seed=6)
    first, second = (ATTACK.run(made.observation, Budget(seed=2)) for _ in range(2))
    assert np.array_equal(first.images, second.images)
    hasty = ATTACK.run(made.observation, Budget(1e-6))
    assert hasty.facts["assemblies"] == 1
    assert np.array_equal(hasty.key.apply(hasty.images), made.observation.images)


@pytest.mark.parametrize(
    ("scheme", "block", "more", "said"),
    [
        ("le", 4, {}, "blocks that stay whole; le changes"),
        ("shf", 4, {}, "pixel-shuffle"),
        ("etc", 8, {"key_scope": "image"}, "share a key"),
        ("etc", 8, {"key_scope": "pool:4"}, "share a key"),
        ("etc", 32, {}, "at least two blocks"),
        ("etc", 1, {}, "at least 2 pixels"),
    ],
)
def test_it_says_why_it_cannot_be_tried(scheme: str, block: int, more: dict, said: str) -> None:
    made = make_scenario(photographs(2), scheme, block, **more)
    assert said in ATTACK.why_not(made.observation)


def test_too_many_blocks_are_not_tried() -> None:
    made = make_scenario(np.zeros((1, 66, 66, 3), np.uint8), "etc", 2)
    assert "at most 1024; 66x66 has more" in ATTACK.why_not(made.observation)


def test_of_very_many_images_some_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blindsight.audit.attacks.dataset_jigsaw.MOST_SAMPLES", 32 * 32 * 3 * 12)
    made = make_scenario(photographs(20), "etc", 8, seed=7)
    found = ATTACK.run(made.observation, Budget())
    assert found.facts["images"] == 12
    assert found.images.shape == made.observation.images.shape


def test_a_scheme_without_whole_blocks_is_refused() -> None:
    with pytest.raises(ParameterError, match="stay whole"):
        ATTACK.run(make_scenario(photographs(2), "le", 4).observation, Budget())
