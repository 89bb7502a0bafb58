"""The report's verdict: what the numbers mean for somebody who has to decide, and what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blindsight.profile import Profile

if TYPE_CHECKING:
    from blindsight.audit.mixing_results import Result

__all__ = ["ATTACKS", "Verdict", "judge", "percent"]

INSTAHIDE = (
    "InstaHide was broken: Carlini et al., “Is Private Learning Possible with Instance Encoding?” (arXiv 2011.05315), "
    "recovered recognisable originals from the published set alone. The numbers here come from far simpler attacks. "
    "Do not use it to protect anybody."
)
MIXUP = (
    "Mixup blends images, it does not hide them: look at the examples, where both images show through each other like "
    "ghosts."
)
CUTMIX = "CutMix leaves most of one image as it was and pastes a piece of another into it: look at the examples."
PERSONAL = (
    "Treat the mixed set as personal data: hand it only to those who are bound to keep it, and never where people who "
    "know the persons shown will see it."
)


@dataclass(frozen=True)
class Verdict:
    """In plain words.

    Attributes:
        level: ``open`` (nothing is hidden), ``recognised`` (an attack run here finds originals), ``broken`` (others
            broke the method) or ``not-broken`` (the attacks run here find nothing).
        headline: one sentence.
        findings: what was measured, a sentence each.
        advice: what to do.
        warnings: what is known of the method from elsewhere.
    """

    level: str
    headline: str
    findings: tuple[str, ...]
    advice: tuple[str, ...]
    warnings: tuple[str, ...]


def judge(profile: Profile, own: "Result", results: "Sequence[Result]") -> Verdict:
    """Reads the numbers of the set's own setting.

    Args:
        profile: of the mixed set.
        own: its own setting.
        results: all settings measured.
    """
    name, attack = max(own.attacks.items(), key=lambda entry: entry[1].top1.mean)
    level = _level(profile, own, attack.top1.low > attack.chance)
    found, random = percent(attack.top1.mean), percent(attack.chance)
    shares = own.shares
    headline = {
        "open": "These images are not hidden: every one is published as it is.",
        "recognised": f"Whoever holds the originals finds the right one for {found} of the mixed images, "
        f"by simple comparison. Guessing would find {random}.",
        "broken": "The simple attacks run here find little, and that means nothing: InstaHide itself was broken. "
        "Take the originals to be recoverable.",
        "not-broken": f"Not broken by the simple attacks run here: they name the right original for {found} of the "
        f"mixed images, and guessing for {random}. Better attacks exist.",
    }[level]
    findings = [
        f"Of the pixels of a mixed image, {percent(shares.in_place.mean)} are its original's own, at their own place.",
        f"Of all published pixels, {percent(shares.true_pixels.mean)} are true pixels of some private image, at their "
        "true place" + ("." if profile.codec.lossless else " (before JPEG coding, which changes them a little)."),
        f"Best of the attacks run: {ATTACKS[name]}, right for {found} of {attack.top1.n} images "
        f"among {attack.candidates} candidates.",
    ]
    target, other = own.likeness["ssim"]["target"], own.likeness["ssim"]["same_class"]
    if target and other:
        findings.append(
            f"Structural similarity (SSIM) to the own original is {target.mean:.2f}; another image of the same class "
            f"has {other.mean:.2f}, equal images have 1."
        )
    warnings = {"instahide": [INSTAHIDE], "mixup": [MIXUP], "cutmix": [CUTMIX]}.get(profile.scheme or "", [])
    return Verdict(level, headline, tuple(findings), tuple(_advice(profile, own, results, level)), tuple(warnings))


#: How the attacks are called on the page.
ATTACKS = {
    "pixels": "the original nearest in pixel values",
    "blocks": "the original with most blocks equal",
    "folded_pixels": "the original nearest in pixel values, signs ignored",
}


def _level(profile: Profile, own: "Result", found: bool) -> str:
    if own.shares.in_place.low >= 1:
        return "open"
    if found:
        return "recognised"
    return "broken" if profile.scheme == "instahide" else "not-broken"


def _advice(profile: Profile, own: "Result", results: "Sequence[Result]", level: str) -> list[str]:
    advice = [PERSONAL]
    if profile.scheme == "pbm":
        finest = min(results, key=_ssim)
        if finest is not own and _ssim(finest) < _ssim(own) and finest.setting.block:
            height, width = finest.setting.block
            advice.append(
                f"Of the blocks measured, --block {height}x{width} has the lowest SSIM to the original: "
                f"{_ssim(finest):.2f}, and {_ssim(own):.2f} now. The best attack run here names the right original for "
                f"{percent(_found(finest))} of the images then, and {percent(_found(own))} now. Train again to see "
                f"what other blocks cost."
            )
        stays = own.shares.in_place.mean
        advice.append(
            f"A higher --probability leaves less of each image in place (now {percent(stays)}). It moves the pixels to "
            "other images of the set and takes none away."
        )
    if level != "open" and "blocks" in own.attacks:
        advice.append(
            "The set tells whoever has a photograph whether it was used: blocks are copied exactly, and an equal "
            "block gives it away. If membership itself is sensitive, do not hand the set over."
        )
    advice.append(
        "Look at the examples below as somebody who knows the persons would. If you recognise one, so will they."
    )
    return advice


def _ssim(result: "Result") -> float:
    found = result.likeness["ssim"]["target"]
    return found.mean if found else 1.0


def _found(result: "Result") -> float:
    return max(attack.top1.mean for attack in result.attacks.values())


def percent(share: float) -> str:
    """A share as people read it; never rounded up to all or down to none."""
    if 0 < share < 0.001:
        return "less than 0.1 %"
    if 0.999 < share < 1:
        return "more than 99.9 %"
    percent = 100 * share
    return f"{percent:.0f} %" if percent in (0, 100) or 10 <= percent < 99 else f"{percent:.1f} %"
