"""What the tests of keys share."""

import io

import pytest

from blindsight.errors import KeyFileError
from blindsight.owner import _keyformat
from blindsight.owner._passphrase import ScryptCost
from blindsight.owner.keys import SecretKey

CHEAP = ScryptCost(n=16)
FIRST, SECOND = SecretKey(bytes(range(32))), SecretKey(bytes(32))
PASSPHRASE = "correct horse"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def message(call, kind=KeyFileError):
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    text = str(caught.value)
    assert "\n" not in text
    for key in (FIRST, SECOND):
        assert _keyformat._encode(key.to_bytes()) not in text
    return text
