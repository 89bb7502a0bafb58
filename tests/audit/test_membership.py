"""Membership inference: a model that memorised is found out, one that saw neither half is not."""

from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blindsight.audit.membership import infer_membership, mann_whitney
from blindsight.audit.threat import LabelledSet
from blindsight.errors import MissingDependencyError, ParameterError
from blindsight.nets.runs import Run
from blindsight.profile import Profile

CLASSES = 4
PROFILE = Profile(kind="plain", size=(8, 8), classes=tuple("abcd"))
few = st.lists(st.integers(0, 5), min_size=2, max_size=9)


def noise(count, seed):
    """Images and labels that say nothing of each other."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 8, 8, 3), np.uint8)
    return LabelledSet(profile=PROFILE, images=images, labels=rng.integers(0, CLASSES, count))


def memorised(seen):
    """A linear model that gives exactly the labels of up to 192 images that it has seen, by least squares."""
    torch = pytest.importorskip("torch")
    flat = (seen.images.transpose(0, 3, 1, 2).reshape(len(seen.images), -1) - 127.5) / 127.5
    weights = np.linalg.pinv(flat) @ np.eye(CLASSES)[seen.labels] * 6
    layer = torch.nn.Linear(192, CLASSES, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights.T))
    model = torch.nn.Sequential(torch.nn.Flatten(), layer).eval()
    return Run(model, PROFILE, {"pretrained_cfg": {"input_size": [3, 8, 8], "mean": [0.5], "std": [0.5]}})


@pytest.fixture(scope="module")
def art():
    pytest.importorskip("art.estimators")


@settings(max_examples=40)
@given(few, few)
def test_the_area_counts_pairs(members, others):
    found = mann_whitney(np.array(members, float), np.array(others, float))
    pairs = [(a > b) + (a == b) / 2 for a in members for b in others]
    assert found.mean == pytest.approx(np.mean(pairs))
    assert 0 <= found.low <= found.mean + 1e-12
    assert found.mean - 1e-12 <= found.high <= 1
    assert found.n == len(members) + len(others)


@settings(max_examples=40)
@given(st.lists(st.booleans(), min_size=2), st.lists(st.booleans(), min_size=2))
def test_of_a_yes_or_no_it_is_the_balanced_accuracy(members, others):
    found = mann_whitney(np.array(members, float), np.array(others, float))
    assert found.mean == pytest.approx((np.mean(members) + 1 - np.mean(others)) / 2)


def test_the_interval_holds_the_truth_in_95_of_100():
    rng = np.random.default_rng(0)
    found = [mann_whitney(rng.normal(1, 1, 60), rng.normal(0, 1, 60)) for _ in range(400)]
    truth = 0.7602499  # the normal distribution at 1/sqrt(2)
    assert 0.91 <= np.mean([one.low <= truth <= one.high for one in found]) <= 0.98


def test_scores_of_one_kind_are_refused():
    with pytest.raises(ParameterError, match="two scores of each kind, got 1 and 3"):
        mann_whitney(np.zeros(1), np.zeros(3))


@pytest.mark.usefixtures("art")
def test_a_model_that_memorised_is_found_out():
    members = noise(120, 1)
    found = infer_membership(memorised(members), members, noise(130, 2))
    assert [score.attack for score in found.scores] == ["loss-threshold", "rule-based", "logistic", "forest"]
    for score in found.scores:
        assert score.auc.mean > 0.8, score
        assert score.accuracy.low > 0.6, score
        assert score.auc.n == 2 * found.known == 120
    assert found.right_members == 1
    assert found.right_others < 0.5
    assert found.worst.auc.mean == max(score.auc.mean for score in found.scores)
    assert found.chance == 0.5


@pytest.mark.usefixtures("art")
def test_a_model_that_saw_neither_half_tells_nothing():
    found = infer_membership(memorised(noise(120, 3)), noise(240, 1), noise(240, 2))
    for score in found.scores:  # the standard deviation is 0.037
        assert abs(score.auc.mean - 0.5) < 0.12, score
        assert abs(score.accuracy.mean - 0.5) < 0.12, score


@pytest.mark.usefixtures("art")
def test_the_seed_decides():
    members, others = noise(24, 1), noise(24, 2)
    run = memorised(members)
    first, again, other = (infer_membership(run, members, others, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.usefixtures("art")
def test_what_does_not_go_together_is_refused():
    members, others = noise(8, 1), noise(8, 2)
    run = memorised(members)
    with pytest.raises(ParameterError, match="8 members and 8 others, got 8 and 7"):
        infer_membership(run, members, noise(7, 2))
    strange = LabelledSet(profile=PROFILE, images=others.images, labels=others.labels + CLASSES)
    with pytest.raises(ParameterError, match="labels are 0 to 3 for this model"):
        infer_membership(run, members, strange)
    small = LabelledSet(profile=PROFILE, images=others.images[:, :4], labels=others.labels)
    with pytest.raises(ParameterError, match=r"takes images of \(8, 8, 3\), got \(4, 8, 3\)"):
        infer_membership(run, members, small)


def test_without_the_toolbox_it_says_what_to_install(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("blindsight.audit._art.distribution", absent)
    members = noise(8, 1)
    with pytest.raises(MissingDependencyError, match=r"adversarial-robustness-toolbox.*'blindsight\[art\]'"):
        infer_membership(memorised(members), members, noise(8, 2))
