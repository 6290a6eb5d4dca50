"""Fail when a JUnit report names a skipped test: CI has all that the tests need."""

import sys
from pathlib import Path
from xml.etree import ElementTree


def skipped_tests(report: Path) -> list[str]:
    """Return "test: reason" of every skipped test in a report that pytest wrote."""
    found = []
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 (our own file)
        for skipped in case.iter("skipped"):
            if skipped.get("type") != "pytest.xfail":
                name = f"{case.get('classname')}::{case.get('name')}"
                found.append(f"{name}: {skipped.get('message')}")
    return found


def main() -> None:
    """Read the report named on the command line."""
    found = skipped_tests(Path(sys.argv[1]))
    for line in found:
        sys.stderr.write(f"skipped {line}\n")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
