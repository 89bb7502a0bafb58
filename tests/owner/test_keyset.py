import pytest
from key_helpers import FIRST, SECOND, message

from blindsight.errors import ParameterError, WrongKeyError
from blindsight.owner.keyfile import load_keyset
from blindsight.owner.keyset import KeyInfo, Keyset, KeysetInfo


def test_changes_give_a_new_keyset():
    keyset = Keyset.new(FIRST, label="a")
    both = keyset.with_key(SECOND, label="b")
    assert keyset.ids == (FIRST.id,)
    assert both.primary == FIRST
    assert both.with_primary(SECOND.id[:9]).primary == SECOND
    assert both.with_primary(SECOND.id[5:9]).primary == SECOND
    assert [key.label for key in both.info.keys] == ["a", "b"]
    assert repr(both) == f"Keyset({FIRST.id}, {SECOND.id})"
    assert Keyset.new().primary != Keyset.new().primary


def test_a_disabled_key_is_kept_and_refused():
    keyset = Keyset.new(FIRST).with_key(SECOND).with_status(SECOND.id, "disabled")
    assert keyset.secrets == (FIRST, SECOND)
    assert message(lambda: keyset.get(SECOND.id), WrongKeyError) == (
        f"key {SECOND.id} is disabled in the keyset; enable it with: blindsight key enable FILE {SECOND.id}"
    )
    assert keyset.with_status(SECOND.id, "enabled").get(SECOND.id) == SECOND
    primary = "the primary key must be one of the enabled keys; enable it, or promote another"
    assert message(lambda: keyset.with_primary(SECOND.id), ParameterError) == primary
    assert message(lambda: keyset.with_status(FIRST.id, "disabled"), ParameterError) == primary


def test_keys_that_are_not_there(file):
    keyset = load_keyset(file)
    ids = f"{FIRST.id}, {SECOND.id}"
    assert message(lambda: keyset.get("bsk1-" + "a" * 16), WrongKeyError) == (
        f"key bsk1-aaaaaaaaaaaaaaaa is needed, but {file} holds {ids}"
    )
    assert (
        message(lambda: keyset.with_primary("1"), WrongKeyError) == f"no key begins with '1'; the keys here are {ids}"
    )
    assert message(lambda: keyset.with_primary("bsk1-"), WrongKeyError) == (
        f"more than one key begins with 'bsk1-'; the keys here are {ids}"
    )
    assert message(lambda: Keyset.new(FIRST).with_primary(""), WrongKeyError) == (
        f"no key begins with ''; the keys here are {FIRST.id}"
    )
    assert message(lambda: keyset.with_key(SECOND), ParameterError) == f"{file} holds key {SECOND.id} already"


@pytest.mark.parametrize("label", ["", "x" * 201, "two\nlines", "\x1b[31m"])
def test_labels_are_short_and_printable(label):
    assert message(lambda: Keyset.new(label=label), ParameterError) == (
        "a label is one line of 1 to 200 printable characters"
    )


def test_a_keyset_holds_up_to_a_thousand_keys():
    infos = tuple(KeyInfo(str(i), "2025-01-01") for i in range(1001))
    with pytest.raises(ParameterError, match="a keyset holds up to 1000 keys, got 1001"):
        KeysetInfo("0", infos)
