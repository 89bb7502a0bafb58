"""What a choice of key scope exposes, in the numbers that attacks have reached. Said at protect time, not after."""

from blindsight.profile import Profile

__all__ = ["IMAGES_TO_BREAK", "exposure", "images_per_key", "mixed_exposure"]

#: Protected images of one key from which a ciphertext-only attack recovered it in every trial, at 32 pixels and blocks
#: of 4, up to one state of the whole (turned, negated, colours in another order) that a person picks by eye. etc: 10
#: trials (benchmarks/jigsaw.py; five images were enough in nine, two in eight). pe: 10 trials, bit for bit
#: (benchmarks/pixel_attacks.py). ele and shf: one trial of 250 images each, a mean SSIM of 0.998 and bit for bit (audit
#: compare). All figures: results/audit.md. Schemes that are not listed have not been measured, which is no evidence
#: for them.
IMAGES_TO_BREAK = {"ele": 250, "etc": 10, "pe": 10, "shf": 250}

#: Schemes of which one protected image gives the picture away. le, 32 pixels, blocks of 4: a mean SSIM of 0.89 from one
#: image (10 trials), 1.00 from two.
ONE_IMAGE_BREAKS = {"le"}

#: Schemes under which nothing changes its place.
OUTLINES_STAY = {"np", "pe"}


def images_per_key(profile: Profile, images: int) -> int:
    """How many protected images share a key, at most on average."""
    scope = profile.key_scope or "dataset"
    if scope == "image":
        return min(images, 1)
    if scope.startswith("pool:"):
        return -(-images // int(scope.removeprefix("pool:")))
    return images


def exposure(profile: Profile, images: int) -> str:
    """A few sentences for the person who is about to hand the images over."""
    return _visible(profile) + _shared(profile, images)


def _visible(profile: Profile) -> str:
    """What can be seen without any attack."""
    scheme, given = profile.scheme, profile.parameters
    if scheme in OUTLINES_STAY:
        return f"Nothing moves under {scheme}: outlines stay visible. "
    if scheme == "le" or (scheme == "bps" and not given.get("scramble")):
        return f"Blocks stay in their places under {scheme}: a coarse picture stays visible. "
    if scheme == "rrp" and any(given.get(name) != 1 for name in ("blocks", "samples")):
        return "Under rrp whatever takes no part stays in its place: much of the picture can stay visible. "
    return ""


def _shared(profile: Profile, images: int) -> str:
    """What it means that so many images share a key, or none do."""
    alone = (
        f"One protected image of {profile.scheme} was enough to restore most of the picture without its key: "
        f"treat the pictures as hidden from casual viewing only."
    )
    if profile.key_scope == "image" and profile.scheme in ONE_IMAGE_BREAKS:
        return f"Each image has its own key. {alone}"
    if profile.key_scope == "image":
        return (
            "Each image has its own key. One image alone can often be pieced together where its blocks are large or it "
            "shows a face, a candidate for the original can be confirmed, and people were named from other "
            "photographs of theirs."
        )
    share = images_per_key(profile, images)
    text = f"{share} images share a key. " if share > 1 else "Few images here share a key. "
    text += "Other sets and runs under this key, scheme and image size share it and count too. "
    if profile.scheme in ONE_IMAGE_BREAKS:
        return text + alone
    known = IMAGES_TO_BREAK.get(profile.scheme or "")
    if known is None:
        return text + f"How many are enough to break {profile.scheme} is not measured; assume a few dozen."
    text += f"About {known} were enough to recover a key of {profile.scheme} from protected images alone"
    fewer = "" if share >= known else ", and fewer often are"
    text += f"{fewer}: treat the pictures as hidden from casual viewing only."
    if profile.scheme == "etc" and (profile.key_scope or "").startswith("pool:"):
        # benchmarks/pools.py: 64 keys, 1,000 images; 16 keys, 48 images: 12 keys, 81 % of the images whole.
        text += " A pool hides nothing more: which images share a key is found, too."
    return text


#: What is left visible by each way of mixing.
MIXED = {
    "pbm": "Every published block is a true block of one of your images, at its true place. ",
    "mixup": "Each image shows one of yours with another laid over it: where both are strong, people see both. ",
    "cutmix": "Each image is one of yours with a rectangle of another: most of it can be recognised at once. ",
    "instahide": "InstaHide was broken: Carlini et al. (arXiv 2011.05315) recover the private images from the "
    "published ones. ",
}


def mixed_exposure(profile: Profile, images: int, own_share: float, unchanged: int) -> str:
    """A few sentences for the person who is about to hand a mixed set over.

    Args:
        profile: of the mixed set.
        images: how many there are.
        own_share: share of a mixed image that is its target's own, on average.
        unchanged: how many are their target as it was.
    """
    text = MIXED.get(profile.scheme or "", "")
    if profile.scheme == "pbm":
        text += f"On average {own_share:.0%} of an image is its own"
        # Each of so many mixtures of an image leaves a block of it in its place with that probability.
        out = 1 - (1 - own_share) ** profile.views
        text += f", and over its {profile.views} mixtures about {out:.0%} of it" if profile.views > 1 else ""
        text += "; more of it stands in images of others. " if own_share < 1 else ". "
    if unchanged:
        text += f"{unchanged} of the {images} are published exactly as they were. "
    return text + "Treat it as obfuscation of who is in the set, not as protection; blindsight mix-report measures it."
