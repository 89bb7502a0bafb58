"""What is concluded from attacks: the levels, and that safety is not concluded from attacks that could not tell."""

import json

import numpy as np
import pytest

from audit_helpers import (
    Copying,
    Honest,
    Learning,
    Malformed,
    Overrunning,
    Paired,
    Perfect,
    Raising,
    Turned,
    Useless,
)
from blindsight.audit import Reconstruction, trials
from blindsight.audit.cases import Case, choose_threats, keyless, one_by_one
from blindsight.audit.judging import Judging, judge_cases
from blindsight.audit.results import ThreatResult
from blindsight.audit.scenario import make_scenario
from blindsight.audit.scoring import Yardstick
from blindsight.audit.threat import ChosenPlaintext, KnownPairs, SharedModel
from blindsight.errors import ParameterError, UnknownNameError


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    """Nine smooth crops of a photograph, uint8 (9, 16, 16, 3)."""
    datasets = pytest.importorskip("sklearn.datasets")
    photograph = datasets.load_sample_image("flower.jpg")
    return np.stack([photograph[y : y + 32 : 2, x : x + 32 : 2] for y in (60, 200, 300) for x in (80, 240, 440)])


def case_of(crops: np.ndarray, threat: str = "protected-set", **more) -> Case:
    scenario = make_scenario(crops, "shf", 16, threat, **more)
    Perfect.known.clear()
    Perfect.learn(scenario.observation.images, scenario.truth.images)
    return Case(threat, (scenario.observation,), (scenario.truth,))


def judge_case(case: Case, attacks, judging: Judging) -> ThreatResult:
    (found,) = judge_cases([case], attacks, judging)
    return found


def test_what_comes_back_bit_for_bit_is_broken(crops: np.ndarray) -> None:
    found = judge_case(case_of(crops), [Useless(), Perfect()], Judging())
    assert (found.level, found.best) == ("restored", "test-perfect")
    assert found.reason == "Of the pictures 100 % come back bit for bit, by “clairvoyance”."
    assert found.outcome is not None
    assert found.outcome.exact.mean == 1
    assert np.array_equal(found.pictures["test-perfect"].found, crops)
    # Where something is found, nobody needs to know what the others can do.
    assert [attack.keyless for attack in found.attacks] == [None, None]


def test_a_global_state_does_not_hide_a_picture(crops: np.ndarray) -> None:
    found = judge_case(case_of(crops), [Turned()], Judging())
    (attack,) = found.attacks
    assert found.level == "restored"
    assert attack.scores is not None
    assert attack.scores.pick.exact.mean == 0
    assert attack.facts == {"turns": 2}
    assert np.array_equal(found.pictures["test-turned"].found, crops)


def test_safety_is_concluded_only_from_attacks_that_solve_the_case_without_a_key(crops: np.ndarray) -> None:
    found = judge_case(case_of(crops), [Useless(), Honest()], Judging())
    assert found.level == "not-broken"
    assert found.reason.startswith("No attack run gets more than chance: SSIM 0.")
    useless, honest = found.attacks
    assert (useless.is_evidence, honest.is_evidence) == (False, True)
    assert honest.keyless is not None
    assert honest.keyless > 0.9
    assert useless.flags[0].startswith("reaches SSIM 0.")
    assert useless.flags[0].endswith("where there is no key")


@pytest.mark.parametrize("attack", [Useless(), Copying(), Raising(), Malformed(), Paired()])
def test_without_such_an_attack_there_is_no_verdict(crops: np.ndarray, attack) -> None:
    found = judge_case(case_of(crops), [attack], Judging())
    assert found.level == "unknown"
    assert not found.attacks[0].is_evidence


def test_an_attack_that_copies_is_no_evidence_although_it_solves_the_case_without_a_key(crops: np.ndarray) -> None:
    (attack,) = judge_case(case_of(crops), [Copying()], Judging()).attacks
    assert attack.keyless == pytest.approx(1)
    assert attack.flags == ("gives back what it sees",)


def test_what_shows_most_is_the_best_though_what_shows_less_is_surer(crops: np.ndarray) -> None:
    class Noisy(Useless):
        name = "test-noisy"

        def run(self, observation, budget):  # noqa: ARG002
            noise = np.random.default_rng(0).normal(0, 40, crops.shape)
            return Reconstruction(np.clip(crops + noise, 0, 255).astype(np.uint8))

    class Lucky(Useless):
        name = "test-lucky"

        def run(self, observation, budget):
            found = super().run(observation, budget).images
            found[0] = crops[0]
            return Reconstruction(found)

    found = judge_case(case_of(crops), [Noisy(), Lucky()], Judging())
    noisy, lucky = (attack.scores.pick for attack in found.attacks if attack.scores is not None)
    assert noisy.measures["ssim"].mean < lucky.measures["ssim"].mean
    # That all are traced is beyond doubt, that one of nine comes back is not.
    assert (found.level, found.best) == ("visible", "test-lucky")
    assert "100 % are traced" in found.reason
    assert list(found.pictures) == ["test-lucky"]


def test_whatever_an_attack_does_the_audit_goes_on(crops: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "GRACE", 0.0)
    attacks = [Raising(), Malformed(), Overrunning(), Paired(), Learning(), Perfect()]
    found = judge_case(case_of(crops), attacks, Judging(seconds=0.1))
    raising, malformed, overrunning, paired, learning, _ = found.attacks
    assert found.best == "test-perfect"
    assert raising.error == "RuntimeError: stumbled"
    assert raising.flags == ("failed",)
    assert malformed.error == "gave back images uint8 (8, 16, 16, 3), expected uint8 (9, 16, 16, 3)"
    assert overrunning.flags[0].endswith(" s of 0.1 s")
    assert overrunning.scores is not None
    assert paired.why_not == "needs known pairs of plain and protected images"
    assert learning.why_not == "needs plain images of the same kind"
    assert json.loads(json.dumps(found.as_json(), allow_nan=False))["attacks"][0]["error"] == "RuntimeError: stumbled"


def test_nothing_hidden_is_seen_without_an_attack(crops: np.ndarray) -> None:
    found = judge_case(keyless(case_of(crops)), [Useless()], Judging())
    assert (found.level, found.best) == ("restored", None)
    assert "by the published images themselves" in found.reason
    assert found.top is None
    assert found.outcome is not None
    assert found.outcome.exact.mean == 1


def test_labels_and_features_that_come_back_count(crops: np.ndarray) -> None:
    case = case_of(crops, labels=np.arange(9) % 3)
    grey = judge_case(case, [Useless()], Judging(by=Yardstick(classify=lambda images: np.arange(len(images)) % 3)))
    assert grey.level == "visible"
    assert "names the class of 100 %; the commonest class is 33 %" in grey.reason
    features = {image.tobytes(): k for k, image in enumerate(crops)}
    unit = np.eye(9)
    traced = judge_case(
        case,
        [Useless()],
        Judging(
            by=Yardstick(features=lambda x: np.stack([unit[features.get(i.tobytes(), k)] for k, i in enumerate(x)]))
        ),
    )
    assert traced.level == "visible"
    assert "100 % are traced to their original by features, chance 11 %" in traced.reason


def test_without_the_truth_there_are_pictures_of_every_attack_and_no_scores(crops: np.ndarray) -> None:
    case = case_of(crops)
    found = judge_case(Case("protected-set", case.observations), [Perfect(), Useless(), Raising()], Judging())
    assert found.level == "unscored"
    assert list(found.pictures) == ["test-perfect", "test-useless"]
    assert found.outcome is None
    assert found.levels is None
    assert found.pictures["test-perfect"].plain is None


def test_one_image_is_attacked_by_itself_several_times(crops: np.ndarray) -> None:
    whole = case_of(crops)
    case = one_by_one(whole.observations[0], whole.truths[0])
    assert [len(seen.images) for seen in case.observations] == [1, 1, 1, 1]
    told = []
    found = judge_case(case, [Turned()], Judging(tell=lambda *what: told.append(what)))
    assert (found.threat, found.images, found.level) == ("one-image", 4, "restored")
    assert found.attacks[0].facts == {"turns": 2}
    assert found.outcome is not None
    assert found.outcome.reidentified["pixels"].candidates == 9
    shares = [share for _, _, share, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == 0.875
    assert judge_case(one_by_one(whole.observations[0], None), [Turned()], Judging()).level == "unscored"


def test_the_case_without_a_key_shows_the_originals_and_answers_with_what_it_is_asked(crops: np.ndarray) -> None:
    known = keyless(case_of(crops, "known-pairs", pairs=2)).observations[0]
    assert isinstance(known, KnownPairs)
    assert np.array_equal(known.images, crops[:7])
    assert np.array_equal(known.known_protected, known.known_plain)
    chosen = keyless(case_of(crops, "chosen-plaintext"))
    seen = chosen.observations[0]
    assert isinstance(seen, ChosenPlaintext)
    assert np.array_equal(seen.encrypt(crops[0]), crops[0])
    key = chosen.truths[0].key
    assert key is not None
    assert np.array_equal(key.apply(crops[0]), crops[0])


def test_an_attack_that_learns_is_told_of_a_scheme_that_changes_nothing(crops: np.ndarray) -> None:
    """Under the scheme's own name it would learn to undo that scheme, and fail where there is nothing to undo."""
    case = case_of(crops, reductions=["quantise"])
    told = keyless(case, Learning()).observations[0].profile
    assert keyless(case, Useless()).observations[0].profile == case.observations[0].profile
    assert (told.scheme, told.reductions) == ("rrp", ())
    changed = make_scenario(crops, "rrp", 16, parameters=told.parameters, key_scope="image").observation
    assert np.array_equal(changed.images, crops)
    seen = []

    class Looking(Learning):
        def run(self, observation, budget):
            seen.append(observation.profile.scheme)
            return super().run(observation, budget)

    judge_case(case_of(crops, public=crops[:2]), [Looking()], Judging())
    assert seen == ["shf", "rrp"]


def test_the_model_of_the_case_without_a_key_is_the_checkpoint(crops: np.ndarray) -> None:
    case = case_of(crops, "shared-model", model="encrypted", checkpoint="plain")
    seen = keyless(case).observations[0]
    assert isinstance(seen, SharedModel)
    assert (seen.model, seen.checkpoint) == ("plain", "plain")


def test_what_a_weaker_attacker_found_is_traced_among_the_stronger_ones_candidates(crops: np.ndarray) -> None:
    weak = case_of(crops[:5])
    made = make_scenario(crops[:5], "shf", 16, "candidates", candidates=crops)
    strong = Case("candidates", (made.observation,), (made.truth,), crops[5:])
    results = judge_cases([weak, strong], [Perfect()], Judging(), ["protected-set", "candidates"])
    found = [result.attacks[0].scores for result in results]
    assert [scores.pick.reidentified["pixels"].candidates for scores in found if scores is not None] == [5, 9]
    assert [result.attacks[0].run_as for result in results] == ["protected-set"] * 2


def test_queries_are_counted_for_each_attack_anew(crops: np.ndarray) -> None:
    class Asking(Useless):
        def run(self, observation, budget):
            observation.encrypt(observation.images[0])
            counts.append(observation.encrypt.queries)
            return super().run(observation, budget)

    counts: list[int] = []
    case = case_of(crops, "chosen-plaintext")
    for _ in range(2):
        judge_cases([Case(case.threat, case.observations)], [Asking()], Judging())
    assert counts == [1, 1]


def test_what_a_weaker_attacker_finds_a_stronger_one_finds_too_and_it_is_run_once(crops: np.ndarray) -> None:
    runs = []

    class Counting(Perfect):
        def run(self, observation, budget):
            runs.append(type(observation).__name__)
            return super().run(observation, budget)

    weak = case_of(crops[:7])
    strong = case_of(crops, "known-pairs", pairs=2)
    Perfect.learn(weak.observations[0].images, crops[:7])
    one = one_by_one(weak.observations[0], weak.truths[0])
    first, second, third = judge_cases([one, weak, strong], [Counting(), Paired()], Judging())
    # One image is another case than the set; the pairs add nothing for an attack that looks at the set alone.
    assert runs == ["OneImage"] * 4 + ["ProtectedSet"]
    assert [found.level for found in (first, second, third)] == ["restored"] * 3
    assert [attack.run_as for attack in third.attacks] == ["protected-set", "known-pairs"]

    # Of equals the one that uses the pairs is named.
    class Knowing(Perfect):
        name = "test-knowing"
        observes = KnownPairs

    assert [found.best for found in judge_cases([weak, strong], [Perfect(), Knowing()], Judging())] == [
        "test-perfect",
        "test-knowing",
    ]
    # Other images are another case.
    other = make_scenario(crops[:6], "shf", 16)
    Perfect.learn(other.observation.images, crops[:6])
    judge_cases([weak, Case("labelled-set", (other.observation,), (other.truth,))], [Counting()], Judging())
    assert runs[5:] == ["ProtectedSet", "ProtectedSet"]


def test_a_stronger_attacker_is_safe_only_by_attacks_that_use_what_it_has(crops: np.ndarray) -> None:
    class PairedHonest(Honest):
        name = "test-paired-honest"
        observes = KnownPairs

    cases = [case_of(crops[:7]), case_of(crops, "known-pairs", pairs=2)]
    first, second = judge_cases(cases, [Honest(), Paired()], Judging())
    assert (first.level, second.level) == ("not-broken", "unknown")
    assert second.reason.startswith("Nothing was found, and none of the attacks run finds anything")
    # Where nothing uses the pairs, that attacker is left out unless asked for.
    assert len(judge_cases(cases, [Honest()], Judging())) == 1
    *_, alone = judge_cases(cases, [Honest()], Judging(), ["known-pairs"])
    assert (alone.level, alone.reason) == ("unknown", "No attack that was run uses what is seen here.")
    assert judge_cases(cases, [Honest(), PairedHonest()], Judging())[1].level == "not-broken"


def test_threat_models_are_chosen_by_what_is_there_and_what_attacks_use() -> None:
    lacks = {"chosen-plaintext": "give --key", **dict.fromkeys(("one-image", "protected-set", "known-pairs"))}
    assert choose_threats((), lacks, []) == ["one-image", "protected-set"]
    assert choose_threats((), lacks, [Paired()]) == ["one-image", "protected-set", "known-pairs"]
    assert choose_threats(("known-pairs", "one-image"), lacks, []) == ["one-image", "known-pairs"]
    with pytest.raises(ParameterError, match="chosen-plaintext cannot be tried: give --key"):
        choose_threats(("chosen-plaintext",), lacks, [])
    with pytest.raises(ParameterError, match="shared-model cannot be tried: this command cannot grant what it needs"):
        choose_threats(("shared-model",), lacks, [])
    with pytest.raises(UnknownNameError, match="did you mean one-image"):
        choose_threats(("one-imag",), lacks, [])
