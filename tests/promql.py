"""Metric names and label names of PromQL expressions, enough for dashboards and rules of ours."""

import re
from typing import Final

_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_RANGE: Final = re.compile(r"\[[^\]]*\]")
_DURATION: Final = re.compile(r"\b\d+(?:ms|[smhdwy])\b")
_GROUPING: Final = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_MATCHERS: Final = re.compile(r"\{([^}]*)\}")
_NAME: Final = re.compile(r"(?<![\w.])[a-zA-Z_:][\w:]*(?!\w*\s*\()")
_WORDS: Final = frozenset({"and", "or", "unless", "bool", "offset", "inf", "nan"})
_SUFFIXES: Final = ("_bucket", "_count", "_sum")


def metrics_in(expression: str) -> dict[str, set[str]]:
    """Return the metrics that an expression asks for, each with the labels it matches."""
    bare = _STRING.sub("", expression)
    for what in (_RANGE, _DURATION, _GROUPING):
        bare = what.sub(" ", bare)
    found: dict[str, set[str]] = {}
    for name in _NAME.findall(_MATCHERS.sub(" ", bare)):
        if name.lower() not in _WORDS:
            found.setdefault(name, set())
    for name, matchers in re.findall(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}", bare):
        found[name] |= set(re.findall(r"(\w+)\s*[=!]", matchers))
    return found


def without_suffix(name: str, histograms: set[str]) -> str:
    """Return the histogram's name for one of its series, any other name as it is."""
    for suffix in _SUFFIXES:
        if name.endswith(suffix) and name.removesuffix(suffix) in histograms:
            return name.removesuffix(suffix)
    return name
