"""Model inversion: patterns that a model was made for come back; from random weights nothing does."""

from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from photo_tiles import tiles  # noqa: E402

from blindsight.audit import Budget, get_attack  # noqa: E402
from blindsight.audit.block_scores import score_blocks  # noqa: E402
from blindsight.audit.metrics import correlation  # noqa: E402
from blindsight.audit.scenario import make_scenario  # noqa: E402
from blindsight.audit.threat import SharedModel  # noqa: E402
from blindsight.errors import MissingDependencyError  # noqa: E402
from blindsight.profile import Profile  # noqa: E402

ATTACK = get_attack("model-inversion")
SIDE = 16
PATTERN = tiles(1, SIDE)[0]
PATTERNS = np.stack([PATTERN, 255 - PATTERN])


@pytest.fixture(autouse=True, scope="module")
def art():
    pytest.importorskip("art.estimators")


def matching(templates):
    """A linear model that compares with templates, uint8 (K, H, W, C): class k is the one most like template k."""
    flat = templates.transpose(0, 3, 1, 2).reshape(len(templates), -1) / 127.5 - 1
    flat = (flat - flat.mean(axis=1, keepdims=True)) / flat.std(axis=1, keepdims=True) / flat.shape[1]
    layer = torch.nn.Linear(flat.shape[1], len(flat), bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(flat))
    return torch.nn.Sequential(torch.nn.Flatten(), layer).eval()


def of_two_patterns(model=None):
    """Six images of the pattern and six of its negative, with noise, and a model that tells them apart."""
    noise = np.random.default_rng(1).integers(-20, 21, (12, *PATTERN.shape))
    images = np.clip(PATTERNS[[0, 1] * 6] + noise, 0, 255).astype(np.uint8)
    return SharedModel(profile=Profile(kind="plain"), images=images, model=model or matching(PATTERNS))


def test_the_pattern_of_each_images_class_comes_back():
    seen = of_two_patterns()
    assert ATTACK.why_not(seen) is None
    found = ATTACK.run(seen, Budget())
    assert found.images.shape == seen.images.shape
    assert found.images.dtype == np.uint8
    assert min(correlation(a, PATTERNS[k % 2]) for k, a in enumerate(found.images)) > 0.95
    assert len(np.unique(found.images, axis=0)) == found.facts["classes"] == 2
    assert found.facts["steps"] == 100
    assert found.facts["confidence"] > 0.5
    assert (found.key, found.facts["domain"], found.facts["key_from"]) == (None, "plain", "none")


def test_a_deeper_model_is_climbed_too():
    linear = matching(PATTERNS)
    model = torch.nn.Sequential(linear, torch.nn.Tanh(), torch.nn.Linear(2, 2, bias=False)).eval()
    with torch.no_grad():
        model[2].weight.copy_(torch.eye(2) * 5)
    found = ATTACK.run(of_two_patterns(model), Budget())
    assert min(correlation(a, PATTERNS[k % 2]) for k, a in enumerate(found.images)) > 0.95


def test_random_weights_show_nothing():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(PATTERN.size, 2)).eval()
    found = ATTACK.run(of_two_patterns(model), Budget())
    assert max(abs(correlation(a, PATTERN)) for a in found.images) < 0.15  # 4 standard deviations


def test_an_inversion_is_decrypted_with_the_key_that_the_images_show():
    plain = tiles(12, SIDE)
    hidden = make_scenario(plain, "etc", 8).observation.images
    made = make_scenario(plain, "etc", 8, "shared-model", model=matching(hidden))
    found = ATTACK.run(made.observation, Budget())
    assert found.symmetric
    assert found.facts["key_from"] == "dataset-jigsaw"
    assert found.facts["domain"] == "plain"
    assert score_blocks(found.key, made.truth.key).direct == 1
    again = found.key.apply(found.images)
    own, others = (
        np.mean([correlation(a, b) for a, b in zip(again, images, strict=True)]) for images in (hidden, hidden[::-1])
    )
    assert own > 0.7
    assert own - others > 0.7


def test_without_a_shared_key_it_stays_enciphered():
    plain = tiles(4, SIDE)
    made = make_scenario(plain, "etc", 8, "shared-model", key_scope="image", model=matching(plain))
    found = ATTACK.run(made.observation, Budget())
    assert found.key is None
    assert found.facts["domain"] == "cipher"


def test_it_keeps_its_time_and_leaves_the_model_alone():
    seen = of_two_patterns()
    weight = seen.model[1].weight
    weight.grad = torch.ones_like(weight)
    found = ATTACK.run(seen, Budget(1e-6))
    assert found.facts["steps"] == 10
    assert bool((weight.grad == 1).all())


def test_it_says_what_it_needs():
    assert ATTACK.why_not(make_scenario(PATTERNS, "etc", 8).observation) == "needs the protected set and the model"
    assert "does not take these images" in ATTACK.why_not(of_two_patterns(torch.nn.Linear(5, 2)))
    one = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(PATTERN.size, 1))
    assert "two classes or more, this one gives (1, 1)" in ATTACK.why_not(of_two_patterns(one))


def test_without_the_toolbox_it_says_what_to_install(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("blindsight.audit._art.distribution", absent)
    seen = of_two_patterns()
    assert "pip install 'blindsight[art]'" in ATTACK.why_not(seen)
    with pytest.raises(MissingDependencyError, match="model-inversion needs adversarial-robustness-toolbox"):
        ATTACK.run(seen, Budget())
