from types import SimpleNamespace

import pytest

from blindsight.errors import ParameterError, UnknownNameError
from blindsight.owner.ciphers import (
    BlockScramble,
    NegativePositive,
    create_cipher,
    list_ciphers,
    register_cipher,
    registry,
)
from blindsight.owner.keys import SecretKey
from blindsight.testing import check_cipher

KEY = SecretKey(bytes(range(32)))


BUILT_IN = ["bps", "ele", "etc", "le", "np", "pe", "rrp", "shf"]


@pytest.fixture(autouse=True)
def _registry_as_before(monkeypatch):
    list_ciphers()
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))


def scramble():
    """Blocks change places.

    More words.
    """
    return (BlockScramble(),)


def test_built_in_schemes():
    assert list_ciphers() == BUILT_IN
    assert all(registry.cipher_entry(name).summary.startswith(name[:2].upper()[:1]) for name in list_ciphers())


def test_defaults():
    cipher = create_cipher("etc")
    assert (cipher.scheme, cipher.block_size, cipher.channels, cipher.parameters) == ("etc", 16, 3, {})


def test_parameters_are_recorded_with_their_defaults():
    assert create_cipher("pe").parameters == {"color_shuffle": True}
    assert create_cipher("np", per="block").parameters == {"per": "block"}
    assert create_cipher("shf", negation=False).parameters == {"negation": False}


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("etc", {"rounds": 2}, "scheme 'etc' has no parameter 'rounds'; its parameters: none"),
        ("shf", {"negate": True}, "scheme 'shf' has no parameter 'negate'; its parameters: negation"),
        (
            "shf",
            {"negation": "false"},
            "'negation' of scheme 'shf' must be of type bool, like its default True; got 'f",
        ),
        ("np", {"per": 1}, "parameter 'per' of scheme 'np' must be of type str, like its default 'pixel'; got 1"),
    ],
)
def test_impossible_parameters(name, parameters, message):
    with pytest.raises(ParameterError, match=message):
        create_cipher(name, **parameters)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("etcc", "unknown scheme 'etcc'; did you mean etc?"),
        ("xyzzy", "unknown scheme 'xyzzy'; known: bps, ele, etc, le, np, pe, rrp, shf"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(UnknownNameError) as caught:
        create_cipher(name)
    assert str(caught.value) == message


# --- other people's schemes -------------------------------------------------------------------------------------------


def test_registering_a_scheme():
    assert register_cipher("scramble")(scramble) is scramble
    assert list_ciphers() == sorted([*BUILT_IN, "scramble"])
    assert registry.cipher_entry("scramble").summary == "Blocks change places."
    check_cipher("scramble")
    stream = KEY.stream("scramble", "block-scramble", "grid=2x3,block=4,channels=3")
    assert create_cipher("scramble", 4).compile(KEY, 8, 12).source.tolist() == stream.permutation(6).tolist()


def test_a_scheme_says_how_large_its_blocks_are():
    register_cipher("scramble", block_size=6)(scramble)
    assert create_cipher("scramble").block_size == 6
    assert create_cipher("scramble", 8).block_size == 8


def test_a_scheme_with_parameters():
    @register_cipher("mine")
    def mine(negate: bool = False, strength: float = 0.5):
        """Scrambles, and negates where asked to."""
        assert strength
        return (BlockScramble(), NegativePositive()) if negate else (BlockScramble(),)

    check_cipher("mine")
    check_cipher("mine", negate=True, strength=2)
    assert create_cipher("mine", negate=True).parameters == {"negate": True, "strength": 0.5}


def test_a_taken_name_is_refused(monkeypatch):
    register_cipher("mine")(scramble)
    with pytest.raises(ParameterError, match="scheme 'mine' is registered already; choose another name"):
        register_cipher("mine")(lambda: (NegativePositive(),))
    for entries in (registry._entries, {}):  # with our own schemes loaded, and before
        monkeypatch.setattr(registry, "_entries", entries)
        with pytest.raises(ParameterError, match="scheme 'etc' is registered already; choose another name"):
            register_cipher("etc")(scramble)


def test_defining_a_scheme_anew_replaces_it():
    """As a notebook does when a cell is run again."""

    def define(step):
        @register_cipher("mine")
        def mine():
            return (step,)

        return mine

    define(BlockScramble())
    define(NegativePositive())
    assert create_cipher("mine").steps == (NegativePositive(),)


@pytest.mark.parametrize("name", ["", "Etc", "my scheme", "-x", "9x", "a/b", "x" * 33, "größe", "x\n"])
def test_malformed_names_are_refused(name):
    with pytest.raises(ParameterError, match="a scheme name is lower-case letters, digits and hyphens, got"):
        register_cipher(name)


@pytest.mark.parametrize(
    "parameter",
    ["rounds", "block_size=4", "name=''", "channels=3", "*steps", "**options", "table=None"],
)
def test_parameters_that_a_profile_cannot_hold_are_refused(parameter):
    factory = eval(f"lambda {parameter}: ()")
    with pytest.raises(ParameterError, match="of scheme 'mine' needs a name other than name, block_size and channels"):
        register_cipher("mine")(factory)
    assert "mine" not in list_ciphers()


@pytest.fixture
def installed(monkeypatch):
    """Runs as if packages with these entry points were installed."""

    def install(**loads):
        points = [SimpleNamespace(value=name, load=load) for name, load in loads.items()]

        def entry_points(group):
            assert group == "blindsight.ciphers"
            return points

        monkeypatch.setattr(registry, "entry_points", entry_points)
        registry._load.cache_clear()

    yield install
    registry._load.cache_clear()


def test_installed_packages_bring_schemes(installed):
    calls = []
    installed(theirs=lambda: (calls.append(1), register_cipher("scramble")(scramble)))
    assert "scramble" in list_ciphers()
    check_cipher("scramble", block_sizes=[8])
    assert calls == [1], "loaded once"


def test_a_broken_package_takes_nothing_else_away(installed):
    def broken():
        raise ImportError("no module named 'their_dependency'")

    installed(
        broken=broken,
        greedy=lambda: register_cipher("etc")(scramble),
        theirs=lambda: register_cipher("scramble")(scramble),
    )
    with pytest.warns(UserWarning, match="the schemes of") as caught:
        assert list_ciphers() == sorted([*BUILT_IN, "scramble"])
    assert [str(warning.message) for warning in caught] == [
        "the schemes of broken are missing: loading it failed (no module named 'their_dependency')",
        "the schemes of greedy are missing: loading it failed "
        "(scheme 'etc' is registered already; choose another name)",
    ]
