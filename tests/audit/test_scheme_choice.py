"""Schemes as they are written: ciphers and ways of mixing, with parameters."""

import pytest

from blindsight.audit.scheme_choice import SchemeChoice, parse_schemes
from blindsight.errors import ParameterError, UnknownNameError


def test_several_are_separated_by_commas_and_so_are_parameters() -> None:
    found = parse_schemes("etc, rrp:blocks=0.5,samples=0.2,pbm:block=8x2,sources=5,bps:scramble=true,etc")
    assert [choice.text for choice in found] == [
        "etc",
        "rrp:blocks=0.5,samples=0.2",
        "pbm:block=8x2,sources=5",
        "bps:scramble=true",
    ]
    assert [choice.parameters for choice in found] == [
        {},
        {"blocks": 0.5, "samples": 0.2},
        {"block": "8x2", "sources": 5},
        {"scramble": True},
    ]
    assert [choice.mixes for choice in found] == [False, False, True, False]


def test_a_way_of_mixing_says_how_many_of_a_class_it_needs_and_how_many_views_it_has() -> None:
    needs = {
        text: (choice.needs_classes, choice.per_class(), choice.views)
        for text in ("etc", "pbm", "pbm:sources=3", "pbm:sources=3,include_target=true", "cutmix", "instahide")
        for choice in [SchemeChoice.parse(text)]
        if choice.mixes
    }
    assert needs == {
        "pbm": (True, 11, 1),
        "pbm:sources=3": (True, 4, 1),
        "pbm:sources=3,include_target=true": (True, 3, 1),
        "cutmix": (True, 2, 1),
        "instahide": (False, 1, 16),
    }
    assert SchemeChoice.parse("mixup:partners=any").per_class() == 0
    assert SchemeChoice.parse("pbm").mixing(4)["block"] == (4, 4)
    assert SchemeChoice.parse("pbm:block=8x2").mixing(4)["block"] == (8, 2)


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("etd", UnknownNameError, "unknown scheme 'etd'; did you mean etc"),
        ("etc:quick", ParameterError, "etc takes PARAMETER=VALUE, such as bps:scramble=true; got 'quick'"),
        ("mixup:probability=0.2", ParameterError, "mixup has no parameter 'probability'; its parameters: sources"),
        ("pbm:sources=some", ParameterError, "'sources' of pbm must be of type int; got 'some'"),
        ("pbm:probability=often", ParameterError, "must be of type int or float; got 'often'"),
        ("pbm:replacement=1", ParameterError, "must be of type bool; got 1"),
        ("instahide:views=2.5", ParameterError, "must be of type int; got 2.5"),
        ("instahide:views=0", ParameterError, "views are mixed images of each original, 1 or more; got 0"),
        ("pbm:block=wide", ParameterError, "takes block=SIDE or block=HEIGHTxWIDTH"),
        ("bps:turn=true", ParameterError, "turn"),
        (" , ", ParameterError, "no scheme is named"),
    ],
)
def test_what_cannot_be_is_said(text: str, error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        parse_schemes(text)[0].check(4, 3)
