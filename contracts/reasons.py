"""Why a record is a dead letter, as a header says it, and the kind that it is counted under."""

import re
from typing import Final

_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")

_DETAIL: Final = re.compile(r"(?:(?<=^value: not JSON):|(?<=should match pattern) ).*", re.DOTALL)
"""What a parser says of a text differs from letter to letter; a pattern says little."""


def kind_of(reason: str) -> str:
    """Return which field is wrong and how, without what differs from letter to letter.

    >>> kind_of("value: 70000 bytes, at most 65536 allowed")
    'value: N bytes, at most N allowed'
    >>> kind_of("value: not JSON: unexpected character: line 1 column 5 (char 4)")
    'value: not JSON'
    """
    return _NUMBER.sub("N", _DETAIL.sub("", reason))
