"""The verdict of an audit: what its numbers mean for somebody who has to decide, and what to do."""

from collections.abc import Sequence

from blindsight.audit.mixing_verdict import Verdict
from blindsight.audit.results import LEVELS, ThreatResult
from blindsight.profile import Profile

__all__ = ["verdict_on"]

HEADLINES = {
    "restored": "{who} gets these pictures back.",
    "visible": "{who} gets back more of these pictures than chance would give.",
    "unknown": "No verdict: the attacks run here could not have told. {who} may see nothing, or everything.",
    "not-broken": "Not broken by the attacks run. That is no proof: better attacks exist or will.",
    "unscored": "Look at the pictures: this is what the attacks make of the protected set alone, without any original.",
}
WHO = {
    "one-image": "Whoever has one of the protected images",
    "protected-set": "Whoever has the protected set",
    "labelled-set": "Whoever has the protected set and its labels",
    "candidates": "Whoever has the protected set and pictures that may be the originals",
    "known-pairs": "Whoever has the protected set and knows a few of the originals",
    "chosen-plaintext": "Whoever has the protected set and can have pictures of their own protected",
    "shared-model": "Whoever has the protected set and the model",
}
PERSONAL = (
    "Treat the protected set as personal data: hand it only to those who are bound to keep it. Protection of this kind "
    "hides pictures from casual and automated viewing. It is visual obfuscation, not cryptography."
)
DISTANCES = (
    "One key for all images keeps every distance between them: whoever has the set can tell which pictures are near "
    "duplicates, and group them, without any attack."
)


def verdict_on(profile: Profile, threats: Sequence[ThreatResult]) -> Verdict:
    """Reads the numbers of all threat models; the worst decides.

    Args:
        profile: of the protected set.
        threats: at least one.
    """
    worst = min(threats, key=lambda threat: list(LEVELS).index(threat.level))
    findings = [f"{_sentence(threat.title)}: {threat.reason}" for threat in threats]
    return Verdict(
        worst.level,
        HEADLINES[worst.level].format(who=WHO.get(worst.threat, f"Whoever has {worst.title}")),
        tuple(findings),
        tuple(_advice(profile, threats)),
        tuple(_warnings(threats)),
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _warnings(threats: Sequence[ThreatResult]) -> list[str]:
    """What makes the audit itself say less."""
    failed = sorted({each.name for threat in threats for each in threat.attacks if each.error is not None})
    found = []
    if failed:
        names = ", ".join(failed)
        found.append(f"Not all attacks ran to their end ({names}): an attacker may do better than this page says.")
    if not any(each.why_not is None for threat in threats for each in threat.attacks):
        found.append("No attack was run at all: nothing here says how safe these images are.")
    return found


def _advice(profile: Profile, threats: Sequence[ThreatResult]) -> list[str]:
    levels = {threat.threat: threat.level for threat in threats}
    broken = {name for name, level in levels.items() if level in ("restored", "visible")}
    advice = [PERSONAL]
    if "unscored" in levels.values():
        advice.append(
            "If you own the images, score this: give --owner-truth PHOTOS or --key KEY. Whether you recognise anything "
            "in the pictures below is the first answer."
        )
    shared = broken & {"protected-set", "labelled-set", "shared-model"}
    if shared and profile.key_scope == "dataset":
        advice.append(
            "All images share one key, and the set gives it away. Protect with --key-scope image and audit again: it "
            "costs accuracy, and it is what stops attacks that pool images. A pool of keys does not: its images are "
            "sorted by key."
        )
    elif shared and profile.key_scope and profile.key_scope.startswith("pool:"):
        advice.append(f"A key for each image (--key-scope image): {profile.key_scope} is not enough here.")
    if "one-image" in broken:
        advice.append(
            "A single image already shows too much, and keys per image do not help there. Smaller blocks leave less of "
            "the picture in each; do not enlarge images before protecting them."
        )
    if "candidates" in broken and "protected-set" not in broken:
        advice.append(
            "Who holds an original recognises it among the protected images, whatever the key scope. Protect no "
            "pictures that others have, such as staff photographs or a public album."
        )
    if "known-pairs" in broken:
        advice.append(
            "Never let an original out whose protected copy is out: pairs of both give the key away, or what it hides. "
            "Photographs that are on the web already are such originals."
        )
    if "chosen-plaintext" in broken:
        advice.append("Never protect with this key what somebody else hands you: they choose what gives the key away.")
    if profile.key_scope == "dataset":
        advice.append(DISTANCES)
    if "unknown" in levels.values():
        advice.append(
            "Where the page gives no verdict, run again with a larger --budget, --sample or --plain-reference."
        )
    if set(levels.values()) <= {"not-broken"}:
        advice.append("Run the audit again with each new version: it knows the attacks of its day.")
    return advice
