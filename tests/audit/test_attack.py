"""The register of attacks, and the budget that they keep."""

from typing import ClassVar

import numpy as np
import pytest

from blindsight.audit import Attack, Budget, Reconstruction, get_attack, list_attacks, register_attack
from blindsight.audit.scenario import make_scenario
from blindsight.audit.threat import KnownPairs, Observation, ProtectedSet
from blindsight.errors import ParameterError, UnknownNameError

PLAIN = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)


class Nothing(Attack):
    name: ClassVar[str] = "test-nothing"
    title: ClassVar[str] = "gives back what it sees"
    reference: ClassVar[str] = "none"
    observes: ClassVar[type[Observation]] = ProtectedSet
    needs_public: ClassVar[bool] = True

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        budget.tell(1.0, "done")
        return Reconstruction(observation.images)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> type[Attack]:
    list_attacks()
    monkeypatch.setattr("blindsight.audit.attack._attacks", {})
    return register_attack(Nothing)


def test_a_registered_attack_is_found_by_name(registered: type[Attack]) -> None:
    assert isinstance(get_attack("test-nothing"), registered)
    assert [attack.name for attack in list_attacks()] == ["test-nothing"]
    register_attack(registered)  # the same class once more


def test_a_taken_or_malformed_name_is_refused(registered: type[Attack]) -> None:
    with pytest.raises(ParameterError, match="registered already"):
        register_attack(type("Other", (registered,), {"__module__": "elsewhere"}))
    with pytest.raises(ParameterError, match="lower-case"):
        register_attack(type("Named", (registered,), {"name": "Not So"}))


@pytest.mark.usefixtures("registered")
def test_an_unknown_attack_is_named() -> None:
    with pytest.raises(UnknownNameError, match="test-nothing"):
        get_attack("test-nothin")


def test_an_attack_says_what_it_lacks(registered: type[Attack]) -> None:
    attack = registered()
    assert attack.why_not(make_scenario(PLAIN[:1], "etc", 4, "one-image").observation) == "needs the protected set"
    assert attack.why_not(make_scenario(PLAIN, "etc", 4).observation) == "needs plain images of the same kind"
    seen = make_scenario(PLAIN, "etc", 4, "known-pairs", pairs=1, public=PLAIN).observation
    assert isinstance(seen, KnownPairs)
    assert attack.why_not(seen) is None


def test_a_budget_counts_time_and_draws_the_same_again() -> None:
    assert not Budget().over()
    spent = Budget(1e-9)
    assert spent.over()
    assert Budget(seed=3).rng(1).integers(1 << 30) == Budget(seed=3).rng(1).integers(1 << 30)
    assert Budget(seed=3).rng(1).integers(1 << 30) != Budget(seed=3).rng(2).integers(1 << 30)
    with pytest.raises(ParameterError, match="more than 0"):
        Budget(0)


def test_titles_read_alike_in_a_list_and_in_a_sentence() -> None:
    for attack in list_attacks():
        assert attack.title[0].islower(), attack.title
        assert not set(attack.title) & set(":;.!?"), attack.title
        assert len(attack.title) <= 70, attack.title
