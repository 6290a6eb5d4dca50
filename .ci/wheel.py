"""Hold a wheel against a machine that has nothing else: built, installed, used, far from here.

    .venv/bin/python .ci/wheel.py            builds one of this checkout
    .venv/bin/python .ci/wheel.py dist/*.whl takes this one

The environment is new, holds what uv.lock names and no checkout is in reach: what the wheel lacks,
such as the shipped weights, is missed here.
"""

import sys
import tempfile
import tomllib
from pathlib import Path

from running import ROOT, StepFailedError, find_uv, inherited, run
from usage import CheckFailedError, use


def build(folder: Path) -> Path:
    """Build a wheel of the checkout."""
    run(find_uv(), "build", "--quiet", "--wheel", "--out-dir", folder, environment=inherited())
    [wheel] = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """Install a wheel and what the lock names into a new environment; return its programs."""
    environment, wanted = folder / "environment", folder / "requirements.txt"
    uv = find_uv()
    locked = run(uv, "export", "--quiet", "--locked", "--no-dev", "--no-emit-project")
    wanted.write_text(locked, encoding="utf-8")
    run(uv, "venv", "--quiet", "--python", sys.executable, environment, cwd=folder)
    python = environment / "bin/python"
    run(uv, "pip", "install", "--quiet", "--python", python, "--requirements", wanted, cwd=folder)
    # Without looking for anything else: what it needs and the lock has not would be missed.
    run(uv, "pip", "install", "--quiet", "--python", python, "--no-deps", wheel, cwd=folder)
    run(uv, "pip", "check", "--python", python, cwd=folder)
    return environment / "bin"


def check(programs: Path, folder: Path, version: str) -> None:
    """Use what was installed, where nothing else is.

    Raises:
        CheckFailedError: It is another version, or does not work.
    """
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"}

    def run_installed(program: str, *words: object) -> str:
        return run(programs / program, *words, cwd=folder, environment=environment)

    use(run_installed, folder, version)


def main(arguments: list[str]) -> int:
    """Check the wheel that is named, or one of this checkout."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    with tempfile.TemporaryDirectory(prefix="genrecast-wheel-") as name:
        folder = Path(name)
        try:
            wheel = Path(arguments[0]).resolve() if arguments else build(folder / "dist")
            programs = install(wheel, folder)
            elsewhere = folder / "elsewhere"
            elsewhere.mkdir()
            check(programs, elsewhere, project["version"])
        except (CheckFailedError, StepFailedError) as error:
            sys.stderr.write(f"{error}\n")
            return 1
    sys.stdout.write(f"{wheel.name}: installs, and works with nothing else\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
