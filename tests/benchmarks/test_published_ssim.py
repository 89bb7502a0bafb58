"""benchmarks/published_ssim.py: the published ciphers as they are emulated, and what the deviations do."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "published_ssim.py"
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def published() -> ModuleType:
    spec = importlib.util.spec_from_file_location("published_ssim", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["published_ssim"] = module
    spec.loader.exec_module(module)
    return module


def test_blocks_go_back_where_they_were(published: ModuleType) -> None:
    assert np.array_equal(published.joined(published.cut(IMAGES)), IMAGES)
    assert np.array_equal(published.cut(IMAGES)[:, 9], IMAGES[:, 4:8, 4:8])


def test_without_deviations_nothing_is_lost(published: ModuleType) -> None:
    """Every sample of the image is there once, as it is or negated."""
    seen = published.published_etc(overwrite=False, exclusive=False)(IMAGES)
    fold = np.minimum(seen, 255 - seen).reshape(3, -1)
    assert np.array_equal(np.sort(fold), np.sort(np.minimum(IMAGES, 255 - IMAGES).reshape(3, -1)))
    assert not np.array_equal(seen, IMAGES)


def test_half_of_the_blocks_are_negated(published: ModuleType) -> None:
    bright = np.full((1, 32, 32, 3), 200, np.uint8)
    assert int((published.published_etc()(bright) == 55).sum()) == bright.size // 2


def test_overwritten_colours_are_lost(published: ModuleType) -> None:
    colours = np.broadcast_to(np.array([10, 20, 30], np.uint8), (1, 32, 32, 3)).copy()
    right, wrong = (published.published_etc(overwrite=overwrite)(colours) for overwrite in (False, True))
    kept = [len(np.unique(block)) for block in published.cut(wrong)[0]]
    assert all(len(np.unique(block)) == 3 for block in published.cut(right)[0])
    assert min(kept) == 1  # all three channels from one
    assert kept.count(3) < 32


def test_tables_of_colours_are_what_the_order_of_assignment_makes_them(published: ModuleType) -> None:
    assert all(sorted(row) == [0, 1, 2] for row in published.COLOURS)
    for right, wrong in zip(published.COLOURS, published.OVERWRITTEN, strict=True):
        channels = [0, 1, 2]
        for place, source in enumerate(right):
            channels[place] = channels[source]
        assert channels == wrong.tolist()


@pytest.mark.parametrize("scheme", ["le", "ele"])
def test_the_published_keys_are_exact_permutations_of_halves(published: ModuleType, scheme: str) -> None:
    seen = getattr(published, f"published_{scheme}")()(IMAGES)
    halves = [np.sort(np.concatenate([x.reshape(3, -1) & 15, x.reshape(3, -1) >> 4], axis=1)) for x in (seen, IMAGES)]
    folded = [np.sort(np.minimum(half, 15 - half)) for half in halves]
    assert np.array_equal(*folded)


def test_folding_undoes_negation_wherever_it_was(published: ModuleType) -> None:
    """Of PE without its colours, feature reconstruction does not see the key at all."""
    first, other = (published.library("pe", seed, color_shuffle=False)(IMAGES) for seed in (0, 1))
    assert not np.array_equal(first, other)
    assert np.array_equal(published.folded(first), published.folded(other))
    assert np.array_equal(published.folded(first), np.minimum(IMAGES, 255 - IMAGES))


def test_sizes_take_the_sign_away(published: ModuleType) -> None:
    found = published.sizes(255 - IMAGES, IMAGES)
    assert found["low"] <= found["median"] <= found["high"] <= found["max"]
    assert found["median"] > 0.5
