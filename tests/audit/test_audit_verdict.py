"""The verdict in words: who gets what, and advice that fits the attacker."""

import pytest

from blindsight.audit.audit_verdict import verdict_on
from blindsight.audit.results import ThreatResult
from blindsight.audit.threat import THREATS
from blindsight.owner.keys import SecretKey
from blindsight.profile import Profile

KEY = SecretKey(bytes(32))
PROFILE = Profile(kind="cipher", scheme="etc", block_size=8, size=(16, 16), key_scope="image", key_id=KEY.id)


def result(threat: str, level: str) -> ThreatResult:
    return ThreatResult(threat, THREATS[threat].title, 3, level, "Because.", None, (), None, {})


def test_whoever_holds_candidates_is_named_and_answered_where_nobody_else_is_needed() -> None:
    found = verdict_on(PROFILE, [result("protected-set", "not-broken"), result("candidates", "restored")])
    assert found.headline.startswith("Whoever has the protected set and pictures that may be the originals gets")
    assert any("Who holds an original recognises it" in advice for advice in found.advice)
    whole = verdict_on(PROFILE, [result("protected-set", "restored"), result("candidates", "restored")])
    assert not any("Who holds an original" in advice for advice in whole.advice)


@pytest.mark.parametrize("threat", THREATS)
def test_every_kind_of_attacker_has_a_headline_of_its_own(threat: str) -> None:
    headline = verdict_on(PROFILE, [result(threat, "restored")]).headline
    others = {verdict_on(PROFILE, [result(other, "restored")]).headline for other in THREATS if other != threat}
    assert headline not in others
