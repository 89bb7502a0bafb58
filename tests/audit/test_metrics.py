"""The four measures: laws, values worked out by hand, and the definition computed another way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy.fft import dctn

from blindsight.audit.metrics import MEASURES, correlation, ms_ssim, phash_distance, psnr, ssim
from blindsight.errors import ParameterError

BEST = {"ssim": 1.0, "psnr": float("inf"), "correlation": 1.0, "phash_distance": 0.0}
RANGE = {"ssim": (-1, 1), "psnr": (0, float("inf")), "correlation": (-1, 1), "phash_distance": (0, 64)}


@st.composite
def pairs(draw):
    shape = (draw(st.integers(3, 20)), draw(st.integers(3, 20)), draw(st.sampled_from([1, 3])))
    return draw(arrays(np.uint8, shape)), draw(arrays(np.uint8, shape))


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
@settings(max_examples=30, deadline=None)
@given(pair=pairs())
def test_every_measure_is_symmetric_in_its_range_and_best_for_equal_images(measure, pair):
    a, b = pair
    low, high = RANGE[measure.name]
    assert measure.of(a, b) == pytest.approx(measure.of(b, a), abs=1e-12)
    assert low - 1e-9 <= measure.of(a, b) <= high + 1e-9
    assert measure.of(a, a.copy()) == pytest.approx(BEST[measure.name])


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_a_little_noise_is_more_alike_than_another_picture(measure, photo):
    a, other = photo[:96, :96], photo[200:296, 300:396]
    noise = np.random.default_rng(0).integers(-5, 6, a.shape)
    close = np.clip(a.astype(int) + noise, 0, 255).astype(np.uint8)
    assert (measure.of(a, close) > measure.of(a, other)) == measure.more_is_alike


def test_psnr_by_hand():
    black, white = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    assert psnr(black, white) == 0
    one_off = black.copy()
    one_off[0, 0, 0] = 1
    assert psnr(black, one_off) == pytest.approx(10 * np.log10(255**2 * 48))
    assert psnr(black, black + np.uint8(16)) == pytest.approx(20 * np.log10(255 / 16))


def test_correlation_by_hand_and_of_constant_images(noise):
    assert correlation(noise, 255 - noise) == pytest.approx(-1)
    a, b = noise[:20], noise[20:]
    assert correlation(a, b) == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1])
    grey, black = np.full_like(a, 77), np.zeros_like(a)
    assert correlation(grey, grey.copy()) == 1
    assert correlation(grey, black) == 0
    assert correlation(grey, a) == 0


@pytest.mark.parametrize(("shape", "window"), [((12, 10, 3), 7), ((6, 9, 3), 5), ((5, 5, 1), 5), ((3, 4, 3), 3)])
def test_ssim_is_the_mean_over_windows_of_the_formula(shape, window):
    rng = np.random.default_rng(1)
    a = rng.integers(0, 256, shape, np.uint8)
    b = np.clip(a.astype(int) + rng.integers(-60, 60, shape), 0, 255).astype(np.uint8)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for y in range(shape[0] - window + 1):
        for x in range(shape[1] - window + 1):
            for channel in range(shape[2]):
                p = a[y : y + window, x : x + window, channel].astype(float).ravel()
                q = b[y : y + window, x : x + window, channel].astype(float).ravel()
                (vp, cov), (_, vq) = np.cov(p, q)
                structure = (2 * cov + c2) / (vp + vq + c2)
                values.append((2 * p.mean() * q.mean() + c1) / (p.mean() ** 2 + q.mean() ** 2 + c1) * structure)
    assert ssim(a, b) == pytest.approx(np.mean(values), abs=1e-9)


def test_phash_distance_by_the_definition(photo):
    a, b = photo[:128, :160], photo[250:378, 100:260]

    def bits(pixels):
        grey = np.asarray(Image.fromarray(pixels).convert("L").resize((32, 32), Image.Resampling.LANCZOS), float)
        low = dctn(grey, type=2)[:8, :8]
        return low > np.median(low)

    assert phash_distance(a, b) == (bits(a) != bits(b)).sum() > 10
    assert phash_distance(a[:, :, :1], a[:, :, :1]) == 0


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_what_is_no_pair_of_images_is_refused(measure):
    image = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ParameterError, match=r"shapes \(8, 8, 3\) and \(8, 9, 3\); bring them to one size first"):
        measure.of(image, np.zeros((8, 9, 3), np.uint8))
    with pytest.raises(ParameterError, match=r"an image is float64 \(8, 8, 3\), expected uint8"):
        measure.of(image, image.astype(float))
    with pytest.raises(ParameterError, match=r"an image is uint8 \(8, 8\), expected"):
        measure.of(image[:, :, 0], image[:, :, 0])


def test_ssim_refuses_images_without_a_window():
    with pytest.raises(ParameterError, match="SSIM needs images of at least 3x3 pixels, got 2x9"):
        ssim(np.zeros((2, 9, 3), np.uint8), np.zeros((2, 9, 3), np.uint8))


def test_ms_ssim_is_what_torchmetrics_computes_but_for_the_border_of_its_coarsest_scale(photo):
    torch = pytest.importorskip("torch")
    peer = pytest.importorskip("torchmetrics.functional.image")
    a = photo[:192, :208]
    b = np.clip(a + np.random.default_rng(0).normal(0, 25, a.shape), 0, 255).astype(np.uint8)
    x, y = (torch.from_numpy(image.copy()).permute(2, 0, 1)[None].double() for image in (a, b))
    theirs = peer.multiscale_structural_similarity_index_measure(
        x, y, data_range=255.0, kernel_size=11, sigma=1.5, normalize="relu"
    )
    assert ms_ssim(a, b) == pytest.approx(float(theirs), abs=2e-3)  # 0.721 and 0.720; it pads there, we do not


def test_ms_ssim_of_equal_and_opposite_pictures_and_of_small_ones(photo):
    a = photo[:161, :170]
    assert ms_ssim(a, a) == pytest.approx(1)
    assert ms_ssim(a, 255 - a) == 0
    with pytest.raises(ParameterError, match="at least 161x161"):
        ms_ssim(a[:160], a[:160])
