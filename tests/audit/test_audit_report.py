"""The audit of a protected set as a library: what attackers are given, what the report says, what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from audit_helpers import Honest, Paired, Perfect, Raising, Turned, Useless
from blindsight.audit import audit_page
from blindsight.audit.attack import Attack
from blindsight.audit.judging import Judging
from blindsight.audit.opening import open_published, originals_of
from blindsight.audit.report import Granted, audit_protected, chosen_attacks
from blindsight.errors import (
    CorruptDataError,
    OutputError,
    ParameterError,
    ProfileError,
    UnknownNameError,
    WrongKeyError,
)
from blindsight.owner.options import ProtectOptions
from blindsight.owner.protect import protect
from blindsight.owner.sources import open_source
from blindsight.profile import Codec
from page_helpers import stands_alone
from protect_helpers import KEY, OTHER


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Two classes of eight crops of a photograph, 16x16, and four public ones, one of which is an original."""
    datasets = pytest.importorskip("sklearn.datasets")
    root = tmp_path_factory.mktemp("plain")
    for name, picture in zip(("china", "flower"), datasets.load_sample_images().images, strict=True):
        for k in range(10):
            y, x = 40 * (k // 2), 200 * (k % 2) + 100
            folder = root / ("photos" if k < 8 else "public") / name
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.ascontiguousarray(picture[y : y + 32 : 2, x : x + 32 : 2])).save(folder / f"{k}.png")
    shutil.copy(root / "photos" / "china" / "0.png", root / "public" / "china" / "known.png")
    return root


@pytest.fixture(scope="module")
def out(photos: Path) -> Path:
    return protected(photos, "out")


def protected(photos: Path, name: str, **options) -> Path:
    folder = photos / name
    protect(
        open_source(photos / "photos"),
        folder,
        key=KEY,
        options=ProtectOptions(scheme="shf", block_size=16, **options),
        workers=1,
    )
    return folder


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than all the rest; one test draws."""
    monkeypatch.setattr(audit_page, "threats_figure", lambda _: "<svg/>")


def audit(out: Path, where: Path, *attacks: Attack, **more):
    granted = more.pop("granted", Granted(key=KEY))
    return audit_protected(out, where, granted=granted, attacks=attacks, **more)


@pytest.fixture
def clairvoyant(out: Path) -> None:
    Perfect.known.clear()
    published = open_published(out, 100)
    plain = originals_of(published, key=KEY, source=None)
    assert plain is not None
    Perfect.learn(published.images, plain)


@pytest.mark.usefixtures("clairvoyant")
def test_the_page_says_what_comes_back_and_stands_alone(
    out: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    granted = Granted(KEY, open_source(photos / "photos"), open_source(photos / "public"), pairs=2)
    report = audit(out, tmp_path / "r", Turned(), Useless(), Raising(), Paired(), granted=granted)
    assert (report.verdict.level, report.scored) == ("restored", True)
    assert report.verdict.headline == "Whoever has one of the protected images gets these pictures back."
    assert (report.total, report.sample, report.pairs) == (16, 14, 2)
    assert report.public == 5 - 1  # an original is nothing that anybody can get
    text = report.page.read_text(encoding="utf-8")
    parser = stands_alone(text)
    # Four images alone and six of each other threat, each three times; and the figure.
    assert len(parser.links) == 3 * (4 + 6 + 6) + 1
    assert "grey, from pairs (needs known pairs of plain and protected images)." in text
    for words in ("clairvoyance, upside down", "failed: RuntimeError: stumbled", "For the owner", "keys"):
        assert words in text
    assert any("attack" in warning for warning in report.verdict.warnings)
    data = json.loads(report.data.read_text(encoding="utf-8"))
    assert [threat["threat"] for threat in data["threats"]] == ["one-image", "protected-set", "known-pairs"]
    assert data["threats"][1]["attacks"][0]["best_of_states"]["exact"]["mean"] == 1
    for name in (str(photos), "photos", KEY.id, "china"):
        assert name not in report.data.read_text(encoding="utf-8")
    assert (tmp_path / "r").stat().st_mode & 0o777 == 0o700


@pytest.mark.usefixtures("clairvoyant")
def test_a_provider_gets_pictures_and_no_scores(out: Path, photos: Path, tmp_path: Path) -> None:
    granted = Granted(public=open_source(photos / "public"))
    report = audit(out, tmp_path / "r", Turned(), Useless(), granted=granted)
    assert (report.verdict.level, report.scored, report.public) == ("unscored", False, 5)
    text = report.page.read_text(encoding="utf-8")
    parser = stands_alone(text)
    assert len(parser.links) == 2 * 2 * (4 + 6)
    assert "For the owner" not in text
    assert "SSIM as picked" not in text
    assert json.loads(report.data.read_text())["threats"][0]["levels"] is None


def test_safety_needs_an_attack_that_can_tell(out: Path, tmp_path: Path) -> None:
    blind = audit(out, tmp_path / "a", Useless())
    assert blind.verdict.level == "unknown"
    assert "could not have told" in blind.verdict.headline
    seeing = audit(out, tmp_path / "b", Useless(), Honest())
    assert seeing.verdict.level == "not-broken"
    assert seeing.verdict.headline.startswith("Not broken by the attacks run. That is no proof")
    assert any("distance" in advice for advice in seeing.verdict.advice)
    nothing = audit(out, tmp_path / "c")
    assert nothing.verdict.level == "unknown"
    assert nothing.verdict.warnings == ("No attack was run at all: nothing here says how safe these images are.",)
    stands_alone(nothing.page.read_text(encoding="utf-8"))


def test_the_report_lies_with_the_index_where_that_is(out: Path, photos: Path, tmp_path: Path) -> None:
    assert audit(out, None, Useless(), threats=["one-image"]).page == photos.resolve() / "out.owner/audit/report.html"
    alone = tmp_path / "handed"
    shutil.copytree(out, alone)
    report = audit(alone, None, Useless(), granted=Granted(), threats=["one-image"])
    assert report.page == tmp_path.resolve() / "handed.audit/report.html"
    with pytest.raises(OutputError, match="lies in the protected set"):
        audit(out, out / "report", Useless())


def test_the_same_seed_gives_the_same_report(out: Path, tmp_path: Path) -> None:
    reports = [audit(out, tmp_path / name, Useless(), sample=5, judging=Judging(seed=seed)) for name, seed in
               (("a", 1), ("b", 1), ("c", 2))]  # fmt: skip
    texts = [[t.levels for t in report.threats] for report in reports]
    assert texts[0] == texts[1] != texts[2]


def test_originals_are_those_of_the_owner_or_decrypted(photos: Path, out: Path) -> None:
    published = open_published(out, 6)
    source = open_source(photos / "photos")
    decrypted = originals_of(published, key=KEY, source=None)
    assert np.array_equal(decrypted, originals_of(published, key=None, source=source))
    assert np.array_equal(decrypted, originals_of(published, key=KEY, source=source))
    assert originals_of(published, key=None, source=None) is None
    classes = [record.class_name for record in published.records]
    assert published.labels is not None
    assert [published.profile.classes[k] for k in published.labels] == classes
    jpeg = open_published(protected(photos, "jpeg", codec=Codec(format="jpeg", quality=90, subsampling="4:4:4"),
                                    allow_lossy=True), 4)  # fmt: skip
    assert np.array_equal(originals_of(jpeg, key=KEY, source=source), originals_of(jpeg, key=None, source=source))


def test_labels_of_opaque_classes_are_found_with_the_index_and_without(photos: Path, tmp_path: Path) -> None:
    folder = protected(photos, "opaque", opaque_classes=True)
    shutil.copytree(folder, tmp_path / "alone")
    ours, theirs = open_published(folder, 16).labels, open_published(tmp_path / "alone", 16).labels
    assert ours is not None
    assert theirs is not None
    assert sorted(ours) == sorted(theirs) == [0] * 8 + [1] * 8


def test_truth_that_does_not_match_is_refused(photos: Path, out: Path, tmp_path: Path) -> None:
    published = open_published(out, 16)
    with pytest.raises(WrongKeyError):
        originals_of(published, key=OTHER, source=None)
    shutil.copytree(photos / "photos", tmp_path / "other")
    shutil.copy(photos / "photos" / "china" / "1.png", tmp_path / "other" / "flower" / "1.png")
    with pytest.raises(CorruptDataError, match=r"flower/1.png of other is not the original"):
        originals_of(published, key=KEY, source=open_source(tmp_path / "other"))
    (tmp_path / "other" / "flower" / "1.png").unlink()
    with pytest.raises(ParameterError, match=r"flower/1.png of the index is not in other"):
        originals_of(published, key=KEY, source=open_source(tmp_path / "other"))
    shutil.copytree(out, tmp_path / "alone")
    with pytest.raises(ParameterError, match="no index that says which original is which"):
        originals_of(open_published(tmp_path / "alone", 2), key=None, source=open_source(photos / "photos"))


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"sample": 0}, ParameterError, "sample is 0"),
        ({"threats": ["two-images"]}, UnknownNameError, "unknown threat model"),
        ({"threats": ["known-pairs"]}, ParameterError, "say how many with --known-pairs"),
        ({"threats": ["shared-model"]}, ParameterError, "give --model"),
        ({"granted": Granted(), "threats": ["chosen-plaintext"]}, ParameterError, "give --key"),
        ({"granted": Granted(pairs=2)}, ParameterError, "known pairs need originals"),
        ({"granted": Granted(KEY, pairs=16), "threats": ["known-pairs"]}, ParameterError, "grant fewer"),
    ],
)
def test_what_cannot_be_audited_is_said(out: Path, tmp_path: Path, more: dict, error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        audit(out, tmp_path / "r", Useless(), **more)


def test_only_protected_sets_are_audited(photos: Path, out: Path, tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="there is nothing to attack"):
        audit(photos / "photos", tmp_path / "r", Useless())
    shutil.copytree(out, tmp_path / "mixed")
    text = json.loads((out / "profile.json").read_text()) | {"kind": "mix", "key_scope": None, "key_id": None}
    (tmp_path / "mixed" / "profile.json").write_text(json.dumps(text))
    with pytest.raises(ProfileError, match="blindsight mix-report PLAIN"):
        audit(tmp_path / "mixed", tmp_path / "r", Useless())


def test_attacks_are_chosen_by_name_and_those_that_learn_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from audit_helpers import Learning
    from blindsight.audit import list_attacks, register_attack

    list_attacks()
    monkeypatch.setattr("blindsight.audit.attack._attacks", {})
    for attack in (Useless, Learning, Honest):
        register_attack(attack)
    assert [a.name for a in chosen_attacks(())] == ["test-honest", "test-useless"]
    assert [a.name for a in chosen_attacks((), learned=True)] == ["test-honest", "test-learning", "test-useless"]
    assert [a.name for a in chosen_attacks(("test-learning",))] == ["test-learning"]
    with pytest.raises(UnknownNameError, match="did you mean test-useless"):
        chosen_attacks(("test-useles",))
