"""The weight-matching attack: key and images from a model and its checkpoint; nothing from another checkpoint."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from blindsight.audit import Budget, get_attack  # noqa: E402
from blindsight.audit.scenario import make_scenario, trial_key  # noqa: E402
from blindsight.owner.model_cipher import encrypt_model  # noqa: E402
from model_cipher_helpers import pictures, tiny_vit  # noqa: E402

SIZE = (32, 32)
ATTACK = get_attack("weight-matching")
PLAIN = pictures(SIZE)


def scenario(scheme="etc", checkpoint_seed=0, **more):
    profile = make_scenario(PLAIN, scheme, 4).observation.profile
    model = encrypt_model(tiny_vit(SIZE), profile, trial_key(0))
    return make_scenario(
        PLAIN, scheme, 4, "shared-model", model=model, checkpoint=tiny_vit(SIZE, seed=checkpoint_seed), **more
    )


@pytest.mark.parametrize("scheme", ["etc", "shf", "bps", "np"])
def test_every_image_is_decrypted(scheme):
    made = scenario(scheme)
    assert ATTACK.why_not(made.observation) is None
    found = ATTACK.run(made.observation, Budget())
    assert found.key == made.truth.key
    assert np.array_equal(found.images, made.truth.images)
    assert found.facts["likeness"] > 0.999


def test_another_checkpoint_gives_nothing_and_says_so():
    made = scenario(checkpoint_seed=1)
    found = ATTACK.run(made.observation, Budget())
    assert (found.images == made.truth.images).mean() < 0.05
    assert found.facts["likeness"] < 0.9


def test_it_says_what_it_needs():
    assert "keys of their own" in ATTACK.why_not(scenario(key_scope="image").observation)
    bare = make_scenario(PLAIN, "etc", 4, "shared-model", model=tiny_vit(SIZE)).observation
    assert "checkpoint" in ATTACK.why_not(bare)
    linear = make_scenario(
        PLAIN, "etc", 4, "shared-model", model=torch.nn.Linear(2, 2), checkpoint=torch.nn.Linear(2, 2)
    ).observation
    assert "cuts its images into patches" in ATTACK.why_not(linear)
