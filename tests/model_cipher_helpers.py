"""Small models and profiles for the tests of encrypted models."""

from typing import Any

import numpy as np
import timm
import torch
from timm.layers import GatedMlp
from timm.models.convnext import ConvNeXt
from timm.models.mlp_mixer import MlpMixer, SpatialGatingBlock

from blindsight.nets import create_model
from blindsight.owner.ciphers import create_cipher
from blindsight.owner.keys import SecretKey
from blindsight.owner.protection import Protection
from blindsight.profile import Profile

KEY, OTHER = SecretKey(bytes(range(32))), SecretKey(bytes(32))
#: Arguments of a small gMLP.
GATED = {"block_layer": SpatialGatingBlock, "mlp_layer": GatedMlp, "mlp_ratio": 2}
TINY = {"embed_dim": 16, "depth": 2, "num_heads": 2}


def profile_of(
    scheme: str, block: int, size: tuple[int, int], channels: int = 3, key: SecretKey = KEY, **parameters: Any
) -> Profile:
    cipher = create_cipher(scheme, block, channels, **parameters)
    return Profile(
        kind="cipher",
        scheme=scheme,
        parameters=cipher.parameters,
        block_size=block,
        size=size,
        channels=channels,
        key_scope="dataset",
        key_id=key.id,
        classes=("a", "b", "c"),
    )


def tiny_vit(size: tuple[int, int] = (16, 24), seed: int = 0, name: str = "vit_micro_patch4_32", **more: Any) -> Any:
    """A ViT of two blocks whose position embeddings, classifier and biases are all random."""
    torch.manual_seed(seed)
    model = create_model(name, num_classes=3, img_size=size, **{**TINY, **more}).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.1)
    return model


def logits(model: Any, pixels: np.ndarray, mean: Any = 0.5, std: Any = 0.5) -> np.ndarray:
    """Of uint8 (N, H, W, C), in double precision."""
    values = (pixels / 255.0 - np.asarray(mean)) / np.asarray(std)
    with torch.inference_mode():
        double = model.double()
        found = double(torch.from_numpy(np.ascontiguousarray(values.transpose(0, 3, 1, 2))))
    return np.asarray(found)


def pictures(size: tuple[int, int], channels: int = 3, count: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *size, channels), np.uint8)


def encrypted(pixels: np.ndarray, profile: Profile, key: SecretKey = KEY) -> np.ndarray:
    protection = Protection(profile, key)
    return np.stack([protection.encrypt(image) for image in pixels])


def family(name: str, size: tuple[int, int], arguments: dict[str, Any]) -> Any:
    """A small model of a family; timm's mixers and ConvNeXts have no small ones by name."""
    torch.manual_seed(0)
    classes = {"mixer_s16_224": MlpMixer, "gmlp_ti16_224": MlpMixer, "convnext_atto": ConvNeXt}
    if name not in classes:
        return create_model(name, num_classes=3, img_size=size, **arguments).eval()
    model = classes[name](num_classes=3, **arguments).eval()
    model.pretrained_cfg = model.default_cfg = timm.get_pretrained_cfg(name).to_dict()
    return model
