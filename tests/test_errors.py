"""Messages that help."""

from blindsight import errors
from blindsight.errors import BlindsightError, MissingDependencyError, UnknownNameError


def test_every_public_error_is_a_blindsight_error() -> None:
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), BlindsightError)


def test_an_unknown_name_suggests_the_nearest_or_lists_a_few_or_counts_many() -> None:
    assert "did you mean shf?" in str(UnknownNameError.of("scheme", "sfh", ["etc", "shf"]))
    assert "known: etc, shf" in str(UnknownNameError.of("scheme", "quux", ["etc", "shf"]))
    many = [f"m{i}" for i in range(500)]
    assert "none of the 500 known ones is like it" in str(UnknownNameError.of("model", "zzz", many))


def test_a_missing_dependency_names_the_extra() -> None:
    message = str(MissingDependencyError.of("numba", "fast", "the numba kernel"))
    assert message == "the numba kernel needs numba, which is not installed; run: pip install 'blindsight[fast]'"
