"""Fine-tuning without loss: every step of the encrypted model is the plain model's step, permuted."""

import copy
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from timm.optim import create_optimizer_v2  # noqa: E402

from blindsight.owner.model_cipher import decrypt_model, encrypt_model  # noqa: E402
from model_cipher_helpers import KEY, encrypted, profile_of, tiny_vit  # noqa: E402

SIZE, STEPS, BATCH = (16, 24), 50, 8
RATES = {"adamw": 0.003, "momentum": 0.03}


def coloured(labels: Any) -> np.ndarray:
    """Noise with a tint for each class, which is soon learned."""
    tints = np.random.default_rng(1).integers(60, 196, (3, 1, 1, 3))
    noise = np.random.default_rng(0).normal(0, 40, (len(labels), *SIZE, 3))
    return (tints[labels.numpy()] + noise).clip(0, 255).astype(np.uint8)


def losses(model: Any, pixels: np.ndarray, labels: Any, optimiser: str) -> list[float]:
    """Of 50 steps in double precision, with weight decay and clipping, the same images in the same order."""
    model = model.double().train()
    images = torch.from_numpy(np.ascontiguousarray((pixels / 127.5 - 1).transpose(0, 3, 1, 2)))
    opt = create_optimizer_v2(model, opt=optimiser, lr=RATES[optimiser], weight_decay=0.05, momentum=0.9)
    found = []
    for step in range(STEPS):
        rows = slice(step * BATCH % len(images), step * BATCH % len(images) + BATCH)
        loss = torch.nn.functional.cross_entropy(model(images[rows]), labels[rows], label_smoothing=0.1)
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        found.append(loss.item())
    return found


@pytest.mark.parametrize("optimiser", ["adamw", "momentum"])
@pytest.mark.parametrize(("scheme", "block"), [("shf", 4), ("etc", 4), ("etc", 8)])
def test_fifty_steps_have_the_plain_losses(scheme, block, optimiser):
    labels = torch.arange(32) % 3
    pixels = coloured(labels)
    profile = profile_of(scheme, block, SIZE)
    # One weight for all positions trains too: its gradient is the sum over positions, as a convolution's is.
    plain = tiny_vit(SIZE, class_token=True, global_pool="token").double()
    hidden = encrypt_model(plain, profile, KEY)
    start = copy.deepcopy(plain.state_dict())
    wanted = losses(plain, pixels, labels, optimiser)
    got = losses(hidden, encrypted(pixels, profile), labels, optimiser)
    assert wanted[-1] < 0.8 * wanted[0]
    assert np.allclose(got, wanted, rtol=1e-6, atol=0)
    # What was learned is the plain model's, permuted: decrypted it is that one.
    back = decrypt_model(hidden, profile, KEY).state_dict()
    for name, value in plain.state_dict().items():
        assert torch.allclose(back[name], value, rtol=1e-5, atol=1e-8), name
    assert not torch.allclose(start["patch_embed.proj.weight"], back["patch_embed.proj.weight"], rtol=1e-3)
