"""What SECURITY.md names is there."""

import re
from pathlib import Path

from contracts.link_settings import ENVIRONMENT_PREFIX
from feed.serve.settings import ServeSettings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_every_test_that_is_named_is_there() -> None:
    paths = set(re.findall(r"`(tests/[^`]+)`", PAGE))
    assert paths
    assert not [path for path in paths if not (ROOT / path).exists()]
    names = set(re.findall(r"`(test_\w+)`", PAGE))
    written = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("tests/**/test_*.py"))
    assert names
    assert not [name for name in names if f"def {name}(" not in written]


def test_every_setting_that_is_named_is_one() -> None:
    known = {f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in ServeSettings.model_fields}
    named = set(re.findall(rf"`({ENVIRONMENT_PREFIX}\w+)`", PAGE))
    assert named
    assert named <= known
