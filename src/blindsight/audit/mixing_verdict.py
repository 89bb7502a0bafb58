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
        level: of a mixed set ``open`` (nothing is hidden), ``recognised`` (an attack run here finds originals),
            ``broken`` (others broke the method) or ``not-broken`` (the attacks run here find nothing); of a protected
            set one of :data:`blindsight.audit.results.LEVELS`.
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
        f"Best of the attacks run: {ATTACKS[name]}, right for {found} of {attack.top1.n} images among "
        f"{attack.candidates} candidates" + (" (a tie between two counts half)." if attack.shows_ties else "."),
    ]
    target, other = own.likeness["ssim"]["target"], own.likeness["ssim"]["same_class"]
    if target and other:
        findings.append(
            f"Structural similarity (SSIM) of a mixed image to its own original is {target.mean:.2f}; to another image "
            f"of the same class it is {other.mean:.2f}, and of equal images 1."
        )
    warnings = {"instahide": [INSTAHIDE], "mixup": [MIXUP], "cutmix": [CUTMIX]}.get(profile.scheme or "", [])
    return Verdict(level, headline, tuple(findings), tuple(_advice(profile, own, results, level)), tuple(warnings))


#: How the attacks are called on the page.
ATTACKS = {
    "pixels": "nearest pixels",
    "blocks": "most equal blocks",
    "folded_pixels": "nearest pixels, signs ignored",
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
        advice += _about_blocks(own, results)
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


def _about_blocks(own: "Result", results: "Sequence[Result]") -> list[str]:
    """Another block size only where it is less alike and no attack gains: low SSIM alone hides nobody."""
    less_alike = sorted((result for result in results if _ssim(result) < _ssim(own)), key=_ssim)
    if not less_alike:
        return []
    better = [result for result in less_alike if max(_gains(own, result).values()) <= 0]
    if better:
        return [
            f"Of the blocks measured that no attack run here gains from, --block {_block(better[0])} has the lowest "
            f"SSIM to the original: {_ssim(better[0]):.2f}, and {_ssim(own):.2f} now. Train again to see what other "
            "blocks cost."
        ]
    finest = less_alike[0]
    gains = _gains(own, finest)
    worst = max(gains, key=lambda name: gains[name])
    smaller = all((result.setting.blocks or 0) > (own.setting.blocks or 0) for result in less_alike)
    return [
        f"No block size measured hides the originals better: {'smaller' if smaller else 'other'} blocks lower SSIM "
        f"({_ssim(finest):.2f} with {_block(finest)}, {_ssim(own):.2f} now) and are found more often (by "
        f"{ATTACKS[worst]}: {percent(finest.attacks[worst].top1.mean)} with {_block(finest)}, "
        f"{percent(own.attacks[worst].top1.mean)} now)."
    ]


def _gains(own: "Result", other: "Result") -> dict[str, float]:
    """Attack -> how much more often it is right at another setting."""
    return {name: other.attacks[name].top1.mean - attack.top1.mean for name, attack in own.attacks.items()}


def _block(result: "Result") -> str:
    height, width = result.setting.block or (0, 0)
    return f"{height}x{width}"


def _ssim(result: "Result") -> float:
    found = result.likeness["ssim"]["target"]
    return found.mean if found else 1.0


def percent(share: float) -> str:
    """A share as people read it; never rounded up to all or down to none."""
    if 0 < share < 0.001:
        return "less than 0.1 %"
    if 0.999 < share < 1:
        return "more than 99.9 %"
    percent = 100 * share
    return f"{percent:.0f} %" if percent in (0, 100) or 10 <= percent < 99 else f"{percent:.1f} %"
