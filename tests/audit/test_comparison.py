"""Schemes compared as a library: the cells, trials, ways of mixing, candidates, labels, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from audit_helpers import Honest, Paired, Perfect, Useless
from blindsight.audit.attack import Attack, Reconstruction, get_attack
from blindsight.audit.comparison import compare_schemes
from blindsight.audit.comparison_cases import Setting
from blindsight.audit.comparison_cell import over_trials
from blindsight.audit.judging import Judging
from blindsight.audit.plain_images import PlainImages
from blindsight.audit.threat import Candidates, LabelledSet, Observation
from blindsight.errors import OutputError, ParameterError, UnknownNameError
from blindsight.profile import Codec
from page_helpers import stands_alone


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    """Sixty-four crops of two photographs, uint8 (64, 16, 16, 3)."""
    pictures = pytest.importorskip("sklearn.datasets").load_sample_images().images
    places = [(picture, y, x) for y in (0, 90, 180, 270) for x in range(0, 560, 70) for picture in pictures]
    return np.stack([picture[y : y + 48 : 3, x : x + 48 : 3] for picture, y, x in places])


def drawing(crops: np.ndarray, count: int = 8, *, classes: bool = True, decoys: int = 4):
    """Draws of so many images, six public ones and decoys; two classes, in turns."""

    def draw(seed: int, per_class: int) -> PlainImages:
        calls.append((seed, per_class))
        rng = np.random.default_rng(seed)
        order = 2 * rng.permutation(len(crops) // 2)[: (count + 6 + decoys + 1) // 2 + 2]
        order = np.stack([order, order + 1], axis=1).reshape(-1)
        labels = order % 2
        parts = np.split(np.arange(count + 6 + decoys), [count, count + 6])
        images, public, others = (crops[order[part]] for part in parts)
        if not classes:
            return PlainImages("crops", images, public, decoys=others if decoys else None)
        return PlainImages("crops", images, public, labels[parts[0]], labels[parts[1]], others if decoys else None)

    calls: list[tuple[int, int]] = []
    draw.calls = calls  # type: ignore[attr-defined]
    return draw


def test_schemes_are_compared_on_the_same_images(crops: np.ndarray, tmp_path: Path) -> None:
    found = compare_schemes(drawing(crops), Setting(("etc", "pe"), 8), tmp_path / "c", attacks=[Useless(), Paired()])
    assert found.threats == ("one-image", "protected-set", "known-pairs")
    assert (found.images, found.public, found.decoys) == (6, 6, 4)
    assert [(cell.scheme, cell.trials[0].images) for cell in found.cells] == [
        (scheme, images) for scheme in ("etc", "pe") for images in (4, 6, 6)
    ]
    lines = found.to_table().splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| etc | no verdict: ")
    stands_alone(found.page.read_text(encoding="utf-8"))
    text = found.numbers.read_text()
    data = json.loads(text)
    assert [cell["scheme"] for cell in data["cells"]] == ["etc"] * 3 + ["pe"] * 3
    assert found.to_table() in found.table.read_text(encoding="utf-8")
    assert str(tmp_path) not in text + found.table.read_text(encoding="utf-8")
    only = compare_schemes(
        drawing(crops), Setting(("etc",), 8), tmp_path / "c", threats=["labelled-set"], attacks=[Useless()]
    )
    assert only.threats == ("labelled-set",)


def test_each_trial_has_its_own_key_and_images_and_the_cell_their_mean(crops: np.ndarray, tmp_path: Path) -> None:
    seen: list[Observation] = []

    class Sometimes(Useless):
        def run(self, observation, budget):
            seen.append(observation)
            found = super().run(observation, budget)
            return Reconstruction(found.images + np.uint8(budget.seed))

    draw = drawing(crops)
    found = compare_schemes(
        draw,
        Setting(("shf",), 8),
        tmp_path,
        threats=["protected-set"],
        attacks=[Sometimes()],
        judging=Judging(seed=5),
        trials=3,
    )
    assert draw.calls == [(5, 0), (6, 0), (7, 0)]
    protected = [observation for observation in seen if observation.profile.scheme == "shf"]
    assert len({observation.profile.key_id for observation in protected}) == 3
    assert len({observation.images.tobytes() for observation in protected}) >= 3
    cell = found.cell("shf", "protected-set")
    assert len(cell.trials) == 3
    ssim = [trial.outcome.measures["ssim"].mean for trial in cell.trials if trial.outcome is not None]
    assert cell.ssim.mean == pytest.approx(np.mean(ssim))
    assert cell.ssim.low is not None
    assert cell.ssim.low < cell.ssim.mean
    data = json.loads(found.numbers.read_text())["cells"][0]
    assert len(data["trials"]) == 3
    assert data["figures"]["broken"]["mean"] == 0
    assert "in 3 of 3 trials" in found.page.read_text(encoding="utf-8")
    assert "3 trials" in found.table.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("values", "ends", "low", "high"),
    [
        ([0.0, 1.0], {}, 0.0, 1.0),
        ([0.25, 0.5], {}, 0.0, 1.0),
        ([0.0, 1.0], {"least": -1.0}, -1.0, 1.0),
        ([1.0, 5.0], {"most": float("inf")}, 0.0, 3 + 12.7062 * 2),
        ([1.0, 1.0, 1.0], {}, 1.0, 1.0),
        ([0.5], {}, None, None),
    ],
)
def test_an_interval_over_trials_ends_where_what_is_measured_ends(
    values: list[float], ends: dict[str, float], low: float | None, high: float | None
) -> None:
    found = over_trials(values, **ends)
    assert found.mean == np.mean(values)
    assert (found.low, found.high) == (low, high if high is None else pytest.approx(high, abs=1e-3))


def test_attackers_that_a_mixed_set_does_not_know_do_not_apply(crops: np.ndarray, tmp_path: Path) -> None:
    class Labelled(Useless):
        name = "test-labelled"
        observes = LabelledSet

        def run(self, observation, budget):
            labels.append((observation.profile.scheme, observation.labels, observation.public_labels))
            return super().run(observation, budget)

    labels: list = []
    setting = Setting(("shf", "pbm:sources=2", "mixup"), 8)
    found = compare_schemes(drawing(crops), setting, tmp_path, attacks=[Useless(), Paired(), Labelled()])
    assert found.threats == ("one-image", "protected-set", "labelled-set", "known-pairs")
    for scheme in setting.schemes[1:]:
        cell = found.cell(scheme, "known-pairs")
        assert (cell.level, cell.applies, cell.trials[0].attacks) == ("not-applicable", False, ())
        assert cell.as_text() == "does not apply: a mixed set has no key that known pairs could give away"
        assert found.cell(scheme, "protected-set").applies
    assert list(dict.fromkeys(scheme for scheme, *_ in labels)) == ["shf", "pbm", "mixup"]
    for _, own, public in labels:
        assert set(own) == {0, 1}
        assert len(public) == 6
    page = found.page.read_text(encoding="utf-8")
    stands_alone(page)
    assert "A mixed set has no key that known pairs could give away" in page
    assert json.loads(found.numbers.read_text())["cells"][7]["figures"] is None


def test_of_several_blends_of_an_original_one_is_scored(crops: np.ndarray, tmp_path: Path) -> None:
    seen: list[int] = []

    class Blends(Useless):
        def run(self, observation, budget):
            seen.append(len(observation.images))
            return super().run(observation, budget)

    draw = drawing(crops)
    found = compare_schemes(draw, Setting(("instahide:views=3",), 8), tmp_path, attacks=[Blends()])
    assert draw.calls == [(0, 0), (0, 1)]  # equally large classes
    cell = found.cell("instahide:views=3", "protected-set")
    assert seen == [1, 1, 1, 1, *[1] * 4, 24, 24]
    assert (cell.trials[0].images, cell.traced_chance) == (8, 1 / 8)
    assert cell.note == "3 mixed images of each original; scored is one of each."
    assert cell.note in found.table.read_text(encoding="utf-8")
    assert json.loads(found.numbers.read_text())["cells"][0]["note"] == cell.note


def test_candidates_are_the_originals_among_decoys(crops: np.ndarray, tmp_path: Path) -> None:
    class Guessing(Perfect):
        name = "test-guessing"
        observes = Candidates

        def run(self, observation, budget):  # noqa: ARG002
            held.append(observation.candidates)
            return Reconstruction(observation.candidates[: len(observation.images)])

    held: list[np.ndarray] = []
    draw = drawing(crops)
    found = compare_schemes(
        draw,
        Setting(("etc", "pbm:sources=2"), 8),
        tmp_path,
        threats=["candidates"],
        attacks=[get_attack("candidate-confirmation"), Guessing()],
    )
    plain = draw(0, 0)
    known = {image.tobytes() for image in (*plain.images[:6], *plain.decoys)}
    assert {image.tobytes() for image in held[0]} == known
    cell = found.cell("etc", "candidates")
    assert (cell.level, cell.best, cell.exact.mean) == ("restored", "candidate-confirmation", 1)
    assert cell.exact_chance == pytest.approx(1 / 10)
    assert cell.as_text().endswith(", exact 100 %, traced 100 %; chance " + f"{cell.chance.mean:.2f}, of either 10 %")
    # What needs no candidates is traced among all of them, too.
    assert found.cell("pbm:sources=2", "candidates").traced_chance == pytest.approx(1 / 12)
    assert len(held[-1]) == 8 + 4


def test_weights_read_off_a_model_that_nobody_trained(crops: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("timm")
    found = compare_schemes(
        drawing(crops),
        Setting(("etc", "le", "rrp"), 8),
        tmp_path,
        threats=["shared-model"],
        attacks=[get_attack("weight-matching")],
    )
    cell = found.cell("etc", "shared-model")
    assert (cell.level, cell.best, cell.ssim.mean) == ("restored", "weight-matching", pytest.approx(1))
    assert "untrained" in cell.note
    text = found.cell("le", "shared-model").as_text()
    assert text.startswith("does not apply: no encrypted model: scheme 'le' acts on parts of a sample's bits")
    assert "untrained" in found.table.read_text(encoding="utf-8")
    assert "untrained" in found.page.read_text(encoding="utf-8")


def test_reductions_come_before_the_cipher_and_the_truth_is_what_was_there(crops: np.ndarray, tmp_path: Path) -> None:
    setting = Setting(("shf",), 8, reductions=("quantise:levels=2",))
    found = compare_schemes(
        drawing(crops), setting, tmp_path, threats=["known-pairs"], attacks=[get_attack("known-pairs"), Honest()]
    )
    cell = found.cell("shf", "known-pairs")
    assert cell.exact.mean == 0
    assert json.loads(found.numbers.read_text())["reductions"] == ["quantise:levels=2"]
    assert "reduced by quantise:levels=2" in found.table.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("setting", "more", "error", "said"),
    [
        (Setting(("etc",), 8, pairs=8), {}, ParameterError, "8 known pairs leave none of 8 images"),
        (Setting(("etc",), 8), {"threats": ["labelled-set"]}, ParameterError, "tried: the data have no classes"),
        (Setting(("etc",), 8), {"trials": 0}, ParameterError, "trials are 1 or more"),
        (Setting(("pbm",), 8), {}, ParameterError, "pbm mixes images of one class, and crops has no classes"),
        (Setting(("instahide",), 8, reductions=("level",)), {}, ParameterError, "stand before a cipher"),
        (
            Setting(("instahide",), 8, codec=Codec(format="jpeg", quality=80)),
            {},
            ParameterError,
            "would destroy what the random",
        ),
        (Setting(("pbm",), 5), {}, ParameterError, "do not tile images of 16x16"),
        (Setting(("etd",), 8), {}, UnknownNameError, "did you mean etc"),
    ],
)
def test_what_cannot_be_compared_is_said(
    crops: np.ndarray, tmp_path: Path, setting: Setting, more: dict, error: type, said: str
) -> None:
    attacks: list[Attack] = []
    with pytest.raises(error, match=said):
        compare_schemes(drawing(crops, classes=False), setting, tmp_path, attacks=attacks, **more)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="not a folder"):
        compare_schemes(drawing(crops), Setting(("etc",), 8), tmp_path / "file", attacks=attacks)
