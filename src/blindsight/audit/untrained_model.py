"""An encrypted model beside its public checkpoint, without training: a seeded ViT, encrypted as an owner does it.

What weight matching reads off an encrypted model is in its algebra, not in what was learned: columns of the first layer
in another order and with other signs, and position embeddings in other places. So weights drawn at random stand in for
pretrained ones. They are easier to tell apart than trained ones can be, and nothing that was trained further is tried.
"""

from typing import Any

from blindsight.nets import create_model
from blindsight.owner.keys import SecretKey
from blindsight.owner.model_cipher import encrypt_model
from blindsight.profile import Profile

__all__ = ["NOTE", "encrypted_and_plain"]

ARCHITECTURE = "vit_micro_patch4_32"
NOTE = (
    f"The public checkpoint is an untrained {ARCHITECTURE} with patches of the block size, its weights drawn from the "
    "seed; the model is the same, encrypted with the key. The algebra is that of a trained one."
)


def encrypted_and_plain(profile: Profile, key: SecretKey, seed: int) -> tuple[Any, Any]:
    """(encrypted model, its checkpoint), ``torch.nn.Module`` each.

    Args:
        profile: of kind ``cipher``, with a size.
        key: that it names.
        seed: of the weights.

    Raises:
        ParameterError: a scheme or key scope that no model absorbs.
        IncompatibleModelError: samples leave their blocks, so that no patch embedding can follow.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # One output: it tells no classes apart, so attacks that ask a model for classes do not take it for one.
        checkpoint = create_model(
            ARCHITECTURE,
            num_classes=1,
            in_chans=profile.channels,
            img_size=profile.size,
            patch_size=profile.block_size,
        ).eval()
    return encrypt_model(checkpoint, profile, key), checkpoint
