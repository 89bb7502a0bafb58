"""Evaluation: the numbers, and whose data is taken."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fixed_runs import Broken, run_of
from hypothesis import given
from hypothesis import strategies as st
from provider_helpers import CLASSES, COLOURS, cipher_profile

from blindsight.errors import CorruptDataError, ParameterError, ProfileMismatchError
from blindsight.profile import Profile
from blindsight.provider.evaluation import evaluate, require_suitable, summarise, wilson_interval

PLAIN = Profile(kind="plain", size=(8, 8), fit="resize", classes=CLASSES)
MIX = Profile(kind="mix", scheme="pbm", block_size=4, size=(8, 8), fit="resize", classes=CLASSES)


def test_numbers_of_a_known_case() -> None:
    logits = np.array([[3, 1, 0], [3, 1, 0], [0, 1, 3], [0, 3, 1.0]])
    result = summarise(logits, np.array([0, 1, 2, 1]), ("a", "b", "c"))
    assert (result["n"], result["top1"], result["top5"]) == (4, 0.75, None)
    assert result["confusion"] == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert result["classes"][1] == {"id": "b", "support": 2, "recall": 0.5, "precision": 1.0}
    assert result["chance"] == pytest.approx(1 / 3)


def test_absent_classes_have_no_recall() -> None:
    result = summarise(np.array([[2.0, 1, 0]]), np.array([0]), ("a", "b", "c"))
    assert [c["recall"] for c in result["classes"]] == [1.0, None, None]
    assert [c["precision"] for c in result["classes"]] == [1.0, None, None]


def test_top5_counts_ranks_and_constant_outputs_score_nothing() -> None:
    ranked = np.tile(np.arange(10.0, 0, -1), (10, 1))
    assert summarise(ranked, np.arange(10), tuple("abcdefghij"))["top5"] == 0.5
    assert summarise(np.zeros((10, 10)), np.arange(10), tuple("abcdefghij"))["top5"] == 0.0


@given(count=st.integers(1, 10_000), data=st.data())
def test_wilson_interval_holds_the_proportion(count: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, count))
    low, high = wilson_interval(right, count)
    assert 0 <= low <= right / count + 1e-12
    assert right / count - 1e-12 <= high <= 1


def test_wilson_interval_of_a_published_case() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263.
    assert wilson_interval(81, 263) == pytest.approx([0.2553, 0.3662], abs=5e-5)


def test_matching_is_by_class_id(write_folder: Callable[..., Path]) -> None:
    # Alphabetical folders and a profile in yet another order: only ids may count.
    root = write_folder(profile=cipher_profile(classes=("mole", "zebra", "ant")))
    assert evaluate(run_of(cipher_profile()), root)["top1"] == 1.0


def test_fewer_classes_are_fine_and_more_are_not(write_folder: Callable[..., Path]) -> None:
    some = {k: v for k, v in COLOURS.items() if k != "ant"}
    result = evaluate(run_of(cipher_profile()), write_folder("few", profile=cipher_profile(), colours=some))
    assert (result["n"], result["top1"]) == (24, 1.0)
    more = write_folder(
        "more", profile=cipher_profile(classes=(*CLASSES, "yak")), colours={**COLOURS, "yak": (9, 9, 9)}
    )
    with pytest.raises(ProfileMismatchError, match="yak is none of the 3 known classes"):
        evaluate(run_of(cipher_profile()), more)


def test_a_split_of_a_set_without_splits_is_refused(write_folder: Callable[..., Path]) -> None:
    root = write_folder(profile=cipher_profile(), splits=())
    with pytest.raises(ParameterError, match="has no splits, so it has no 'test'"):
        evaluate(run_of(cipher_profile()), root, split="test")


def test_splits(write_folder: Callable[..., Path]) -> None:
    root = write_folder(profile=cipher_profile(), splits=("train", "val"))
    assert evaluate(run_of(cipher_profile()), root)["split"] == "val"
    assert evaluate(run_of(cipher_profile()), root, split="train", cache="none")["split"] == "train"
    with pytest.raises(ParameterError, match="no 'test' split; it has train, val"):
        evaluate(run_of(cipher_profile()), root, split="test")
    only = write_folder("only", profile=cipher_profile(), splits=("train",))
    with pytest.raises(ParameterError, match="only a train split; give --split train"):
        evaluate(run_of(cipher_profile()), only)
    assert evaluate(run_of(cipher_profile()), root / "val")["split"] is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key_id": "bsk1-" + "b" * 16}, "differ in key_id: 'bsk1-a+' and 'bsk1-b+'"),
        ({"scheme": "shf"}, "differ in scheme: 'etc' and 'shf'"),
        ({"block_size": 2}, "differ in block_size"),
        ({"key_scope": "image"}, "differ in key_scope"),
        ({"parameters": {"rounds": 2}}, "differ in parameters"),
        ({"size": (16, 16)}, "takes images of 8x8 and the data set has 16x16"),
    ],
)
def test_other_protections_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ProfileMismatchError, match=message):
        require_suitable(cipher_profile(), cipher_profile(**changes))


def test_who_takes_plain_images(write_folder: Callable[..., Path]) -> None:
    plain = write_folder(side=11)
    for profile in (PLAIN, MIX):
        result = evaluate(run_of(profile), plain)
        assert (result["top1"], result["kind"]) == (1.0, "plain")
    with pytest.raises(ProfileMismatchError, match="differ in kind: 'cipher' and 'plain'"):
        evaluate(run_of(cipher_profile()), plain)
    with pytest.raises(ProfileMismatchError, match="differ in kind: 'plain' and 'cipher'"):
        require_suitable(PLAIN, cipher_profile())
    require_suitable(MIX, MIX)


OPAQUE = {"zebra": "id-1", "ant": "id-2", "mole": "id-3"}
NAMES = {value: name for name, value in OPAQUE.items()}
OPAQUE_MIX = MIX.model_copy(update={"classes": tuple(OPAQUE.values()), "opaque_classes": True})


def test_plain_classes_are_matched_by_name_where_ids_are_opaque(write_folder: Callable[..., Path]) -> None:
    plain = write_folder(side=11)
    result = evaluate(run_of(OPAQUE_MIX), plain, names=NAMES)
    assert result["top1"] == 1.0
    assert [(c["id"], c["name"]) for c in result["classes"]] == [(v, k) for k, v in OPAQUE.items()]
    # A profile beside them with another order of its own changes nothing.
    described = write_folder("described", profile=PLAIN.model_copy(update={"classes": tuple(reversed(CLASSES))}))
    assert evaluate(run_of(OPAQUE_MIX), described, names=NAMES)["top1"] == 1.0
    with pytest.raises(ProfileMismatchError, match=r"is none of the 3 known classes .* the owner's --index says what"):
        evaluate(run_of(OPAQUE_MIX), plain)


def test_mixed_classes_are_matched_by_id_whatever_the_names(write_folder: Callable[..., Path]) -> None:
    mixed = write_folder(profile=OPAQUE_MIX, colours={OPAQUE[k]: v for k, v in COLOURS.items()})
    assert evaluate(run_of(OPAQUE_MIX), mixed)["top1"] == 1.0
    result = evaluate(run_of(OPAQUE_MIX), mixed, names=NAMES)
    assert (result["top1"], result["classes"][0]["name"]) == (1.0, "zebra")


def test_names_of_other_classes_are_refused(write_folder: Callable[..., Path]) -> None:
    with pytest.raises(ParameterError, match=r"the index does not know the model's class id-2; give the index of"):
        evaluate(run_of(OPAQUE_MIX), write_folder(), names={"id-1": "zebra", "id-9": "ant"})


def test_a_plain_class_without_a_name_is_refused(write_folder: Callable[..., Path]) -> None:
    more = write_folder(colours={**COLOURS, "yak": (9, 9, 9)})
    with pytest.raises(ProfileMismatchError, match="yak is none of the 3 known classes"):
        evaluate(run_of(OPAQUE_MIX), more, names=NAMES)


def test_mixed_images_of_another_size_are_brought_to_the_models(write_folder: Callable[..., Path]) -> None:
    mixed = write_folder(profile=MIX.model_copy(update={"size": (20, 20)}), side=20)
    assert evaluate(run_of(MIX), mixed)["top1"] == 1.0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_give_no_finite_numbers_are_named(write_folder: Callable[..., Path], value: float) -> None:
    run = run_of(cipher_profile(), Broken(value))
    with pytest.raises(CorruptDataError, match=r"give no finite numbers .*; train again"):
        evaluate(run, write_folder(profile=cipher_profile()))
