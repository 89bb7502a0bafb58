import pytest

from blindsight.audit.mixing_verdict import percent


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.0004, "less than 0.1 %"),
        (0.9996, "more than 99.9 %"),
        (0.9967, "99.7 %"),
        (0.0167, "1.7 %"),
        (0.484, "48 %"),
        (1.021, "102.1 %"),
    ],
)
def test_shares_are_never_rounded_to_none_or_all(share, text):
    assert percent(share) == text
