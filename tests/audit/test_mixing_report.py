"""The report against what is known of the set: laws, its files, and what it refuses."""

import json
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blindsight.audit import _in_set, mixing_page
from blindsight.audit.mixing_report import mixing_report
from blindsight.errors import (
    CorruptDataError,
    OutputError,
    ParameterError,
    ProfileError,
    WrongKeyError,
)
from blindsight.owner.keys import SecretKey
from blindsight.owner.mixing import open_mixer
from blindsight.owner.sources import open_source
from blindsight.profile import Codec
from protect_helpers import refused, tree


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch):
    """Drawing takes longer than all the rest; test_mixing_page.py draws."""
    for name in ("likeness_figure", "attack_figure", "speed_figure"):
        monkeypatch.setattr(mixing_page, name, lambda *_: "<svg/>")


def report_of(pair, **options):
    return mixing_report(*pair, **({"timing": False} | options))


def test_a_set_that_was_not_mixed_is_open(mixed_of):
    report = report_of(mixed_of(probability=0.0))
    own = report.own
    assert own.likeness["ssim"]["target"].mean == 1
    assert own.likeness["psnr"]["target"].mean == 100
    assert own.likeness["correlation"]["target"].low == pytest.approx(1)
    assert own.likeness["phash_distance"]["target"].high == 0
    assert own.shares.in_place.low == own.shares.target_weight.low == 1
    for attack in own.attacks.values():
        assert attack.top1.low == 1
        assert (attack.candidates, attack.chance) == (16, 1 / 16)
    assert report.verdict.level == "open"
    assert report.sample == report.published == report.originals == 16


def test_shares_of_pixels_are_what_was_drawn(mixed_of):
    pair = mixed_of(probability=0.5)
    report = report_of(pair)
    mixer, targets = open_mixer(*pair)
    stay = [float((mixer.make(target).choice == 0).mean()) for target in targets.values()]
    shares = report.own.shares
    assert 0.2 < np.mean(stay) < 0.8
    assert shares.in_place.mean == pytest.approx(np.mean(stay), abs=1e-4)
    assert shares.target_weight.mean == pytest.approx(np.mean(stay))
    assert shares.true_pixels.low == 1
    assert shares.true_by_chance.high < 0.001
    assert report.verdict.level == "recognised"
    assert report.own.attacks["blocks"].top1.mean > 0.5


def test_of_a_set_mixed_whole_nothing_stays_and_the_target_is_not_found(mixed_of):
    report = report_of(mixed_of(probability=1.0))
    own = report.own
    assert own.shares.in_place.high < 0.001
    assert own.shares.true_pixels.low == 1
    assert own.attacks["blocks"].top1.high == own.attacks["pixels"].top1.high == 0
    assert own.likeness["ssim"]["nearest_donor"].mean > own.likeness["ssim"]["nearest_other"].mean + 0.1
    assert abs(own.likeness["ssim"]["target"].mean - own.likeness["ssim"]["other_class"].mean) < 0.1
    assert report.verdict.level == "not-broken"
    assert report.verdict.headline.startswith("Not broken by the simple attacks run here")


def test_what_the_set_shows_of_an_original_is_found_in_its_files_too(mixed_of):
    pair = mixed_of()
    report = report_of(pair)
    published = [np.asarray(Image.open(path)) for path in pair[1].rglob("*.png")]
    mixer, _ = open_mixer(*pair)
    shares = []
    for item in mixer.items:
        plain = mixer.pixels(item)
        shares.append(np.logical_or.reduce([(plain == image).all(axis=2) for image in published]).mean())
    assert report.in_set.n == 16
    assert report.in_set.mean == pytest.approx(np.mean(shares), abs=1e-4)
    assert report.own.shares.in_place.mean + 0.05 < report.in_set.mean < 1


def test_the_set_shows_all_of_what_was_not_mixed_and_other_methods_are_not_counted(mixed_of):
    assert report_of(mixed_of(probability=0.0)).in_set.low == 1
    assert report_of(mixed_of("other", method="cutmix")).in_set is None


def test_originals_that_do_not_fit_the_cache_are_not_read_again_and_again(mixed_of, monkeypatch):
    monkeypatch.setattr(_in_set, "CACHE_BYTES", 16 * 32 * 3 * 15)
    assert report_of(mixed_of(), sample=2).in_set is None


def test_every_block_shape_that_fits_is_measured(mixed_of):
    report = report_of(mixed_of(), sample=3)
    assert [(r.setting.blocks, r.setting.own) for r in report.results] == [
        (8, True),
        (16, False),
        (32, False),
        (128, False),
    ]
    assert [r.guessing_bits for r in report.results] == [16, 32, 64, 256]  # three donors: two bits a block
    assert report.sample == 3


def test_a_pixel_of_the_target_among_its_own_donors_is_its_own(mixed_of):
    report = report_of(mixed_of(probability=1.0, include_target=True, sources=8))
    shares = report.own.shares
    assert shares.in_place.mean > 0.05
    assert shares.in_place.mean == pytest.approx(shares.target_weight.mean, abs=1e-4)
    # Every image of the class is a donor: none is left to compare with.
    assert report.own.likeness["ssim"]["nearest_other"] is None
    assert report.own.likeness["ssim"]["other_class"].n == 16


@pytest.mark.parametrize(
    ("method", "attacks", "warning"),
    [
        ("mixup", ["pixels"], "like ghosts"),
        ("cutmix", ["pixels", "blocks"], "pastes a piece of another"),
        ("instahide", ["pixels", "folded_pixels"], "InstaHide was broken: Carlini"),
    ],
)
def test_other_methods_are_measured_as_they_are_and_warned_of(mixed_of, method, attacks, warning):
    report = report_of(mixed_of(method=method))
    assert len(report.results) == 1
    assert list(report.own.attacks) == attacks
    assert report.own.guessing_bits is None
    assert warning in report.verdict.warnings[0]
    assert warning in report.page.read_text()
    assert (report.own.shares.true_pixels.mean > 0.99) == (method == "cutmix")
    if method == "instahide":
        assert "2011.05315" in report.verdict.warnings[0]
        assert report.verdict.level in ("recognised", "broken")


def test_of_a_jpeg_set_pixels_are_compared_before_coding_and_likeness_after(mixed_of):
    report = report_of(mixed_of(probability=0.0, codec=Codec(format="jpeg", quality=50)), sample=4)
    assert report.own.shares.in_place.low == 1
    assert report.own.likeness["ssim"]["target"].mean < 0.99
    assert list(report.own.attacks) == ["pixels"]
    assert "before JPEG coding" in report.verdict.findings[1]


def test_shards_are_read_too(mixed_of):
    folder, shards = report_of(mixed_of()), report_of(mixed_of("tars", layout="shards", shard_size=5))
    assert shards.published == folder.published == 16
    assert shards.own.shares.true_pixels.low == 1


def test_only_the_train_split_counts(originals, mixed_of):
    for label in ("cat", "dog"):
        (originals / "train" / label).mkdir(parents=True)
        (originals / "test" / label).mkdir(parents=True)
        for path in sorted((originals / label).iterdir()):
            path.rename(originals / ("test" if path.stem in "67" else "train") / label / path.name)
        (originals / label).rmdir()
    report = report_of(mixed_of())
    assert (report.originals, report.own.attacks["pixels"].candidates) == (12, 12)


def test_the_same_seed_gives_the_same_numbers_and_another_seed_another_sample(mixed_of, tmp_path):
    pair = mixed_of()
    first, again = (report_of(pair, out=tmp_path / name, sample=4, seed=7) for name in ("a", "b"))
    assert first.data.read_bytes() == again.data.read_bytes()
    other = report_of(pair, out=tmp_path / "c", sample=4, seed=8)
    assert other.results != first.results


def test_the_report_is_in_the_owners_index_for_the_owner_alone_and_changes_nothing_else(mixed_of, originals):
    pair = mixed_of()
    before = tree(originals, pair[1])
    report = report_of(pair, sample=2)
    folder = originals.parent / "mixed.owner" / "report"
    assert (report.page, report.data) == (folder / "report.html", folder / "report.json")
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert tree(originals, pair[1]) == before
    report_of(pair, sample=2)  # over the first


ESTIMATE = {"mean", "low", "high", "n"}


def test_the_json_has_its_fields_and_no_names(mixed_of, originals):
    report = report_of(mixed_of(), sample=3, timing=True)
    text = report.data.read_text()
    data = json.loads(text)
    assert set(data) == {
        *("format", "versions", "scheme", "parameters", "size", "channels", "codec", "classes", "published"),
        *("originals", "sample", "seed", "settings", "original_in_set", "guessing_caveat", "speed", "verdict"),
    }
    assert data["format"] == "blindsight-mixing-report/1"
    assert set(data["versions"]) == {"blindsight", "numpy", "scikit-image", "ImageHash", "pillow"}
    setting = data["settings"][0]
    assert set(setting) == {"setting", "likeness", "shares", "attacks", "guessing_bits"}
    assert setting["setting"] == {"block": [8, 8], "blocks": 8, "own": True, "name": "8x8 (8 blocks)"}
    assert set(setting["likeness"]) == {"ssim", "psnr", "correlation", "phash_distance"}
    for references in setting["likeness"].values():
        assert set(references) == {"target", "nearest_donor", "nearest_other", "same_class", "other_class"}
        assert all(set(reference) == ESTIMATE for reference in references.values())
    assert set(setting["shares"]) == {"in_place", "true_pixels", "true_by_chance", "target_weight"}
    assert set(setting["attacks"]) == {"pixels", "blocks"}
    assert set(setting["attacks"]["pixels"]) == {"top1", "chance", "candidates"}
    assert set(data["verdict"]) == {"level", "headline", "findings", "advice", "warnings"}
    assert set(data["speed"][0]) == {
        "block",
        "blocks",
        "sources",
        "own",
        "plain",
        "mixed",
        "cold",
        "ratio",
        "cold_ratio",
    }
    assert set(data["original_in_set"]) == ESTIMATE
    for name in (originals.parent.as_posix(), "faces", "cat", Path.home().name + "/"):
        assert name not in text


def test_a_published_image_that_was_changed_is_found_out(mixed_of):
    source, out = mixed_of()
    victim = next(out.rglob("*.png"))
    Image.fromarray(255 - np.asarray(Image.open(victim))).save(victim)
    text = refused(CorruptDataError, mixing_report, source, out, timing=False)
    assert victim.name in text
    assert "is not what mixing these originals gives" in text


def test_what_cannot_be_reported_on_is_refused(mixed_of, originals, tmp_path):
    source, out = mixed_of()
    assert "no profile.json" in refused(ProfileError, mixing_report, source, originals)
    assert "expected 1 or more" in refused(ParameterError, mixing_report, source, out, sample=0)
    assert "expected 0 or more" in refused(ParameterError, mixing_report, source, out, seed=-1)
    assert "not a folder" in refused(OutputError, mixing_report, source, tmp_path / "none")
    text = refused(OutputError, mixing_report, source, out, index=tmp_path / "gone")
    assert "if it was augmented, give the set that mix wrote" in text
    assert "--index" in text
    assert refused(WrongKeyError, mixing_report, source, out, key=SecretKey(bytes(32)))
    (tmp_path / "other" / "cat").mkdir(parents=True)
    for number in range(4):
        Image.fromarray(np.full((16, 32, 3), number, np.uint8)).save(tmp_path / "other" / "cat" / f"{number}.png")
    other = open_source(tmp_path / "other")
    assert "was not mixed from these images" in refused(ParameterError, mixing_report, other, out)


def test_the_report_goes_nowhere_near_what_is_handed_out(mixed_of, tmp_path):
    source, out = mixed_of()
    for folder in (out, out / "report", out / "a" / ".." / "b"):
        text = refused(OutputError, mixing_report, source, out, folder)
        assert "lies in the mixed set, and the report shows originals" in text
    (tmp_path / "file").write_text("mine")
    assert "is not a folder" in refused(OutputError, mixing_report, source, out, tmp_path / "file")
    assert not list(out.rglob("report*"))
    text = refused(OutputError, mixing_report, source, out, tmp_path / "file" / "below", sample=1, timing=False)
    assert text.startswith("cannot write the report to ")


def test_progress_ends_with_everything(mixed_of):
    calls = []
    report_of(mixed_of(), sample=2, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (16, 16)  # two images, made and measured, at four settings
    assert [done for done, _ in calls] == list(range(17))
