"""What the provider's tests share: a tiny network, a profile, three classes told apart by their mean colour."""

from blindsight.profile import Profile

KEY_ID = "bsk1-" + "a" * 16
# Not in alphabetical order: an index must come from here and not from the order of folders.
CLASSES = ("zebra", "ant", "mole")
COLOURS = {"zebra": (220, 40, 40), "ant": (40, 220, 40), "mole": (40, 40, 220)}
TINY = {"embed_dim": 32, "depth": 1, "num_heads": 2}


def cipher_profile(**changes: object) -> Profile:
    facts = {
        "kind": "cipher",
        "scheme": "etc",
        "block_size": 4,
        "size": (8, 8),
        "key_scope": "dataset",
        "key_id": KEY_ID,
        "classes": CLASSES,
        **changes,
    }
    return Profile.model_validate(facts)
