"""One background process with a pidfile: started, found again, stopped, never mistaken."""

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from stack.errors import StartError
from stack.settings import child_environment

_POLL_SECONDS: Final = 0.05
"""How often a process that should end is looked at."""

_DIE_WITH_PARENT: Final = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Asks the kernel for a SIGKILL when the parent goes (PR_SET_PDEATHSIG), then becomes the
program. The parent's id is checked afterwards: it may have gone before the request."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A process, told apart from a later one that got the same number."""

    pid: int
    boot_id: str
    start_ticks: int

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """Return who has the number `pid` now; None for nobody and for zombies.

        A process of which only the first thread has ended is none: its ports are still taken.
        """
        try:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        except OSError:
            return None
        # The command's name, in brackets, may itself hold brackets and spaces.
        fields = text.rpartition(")")[2].split()
        is_gone = fields[0] in "ZX" and int(fields[17]) <= 1
        return None if is_gone else cls(pid, boot_id, int(fields[19]))


class ServiceProcess:
    """A program in the background whose identity stands in a pidfile.

    Whoever opens the same pidfile later can stop the process. A stale pidfile, left by a crash
    or a reboot, is recognised and no stranger is ever signalled.
    """

    def __init__(self, name: str, pidfile: Path, console_log: Path) -> None:
        self.name = name
        self.pidfile = pidfile
        self.console_log = console_log

    @property
    def pid(self) -> int | None:
        """The process's number, None when it does not run."""
        identity = self._read()
        return identity.pid if identity else None

    def is_running(self) -> bool:
        """Return whether the process that the pidfile names is alive."""
        return self._read() is not None

    def spawn(self, command: Sequence[str], *, dies_with_parent: bool = False) -> None:
        """Start `command` in a session of its own, its output in the console log.

        Args:
            command: The program's absolute path and its arguments.
            dies_with_parent: Have the kernel kill it when the calling thread ends.

        Raises:
            StartError: It could not be started.
        """
        if dies_with_parent:
            trampoline = ["-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid())]
            command = [sys.executable, *trampoline, *command]
        log_flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        try:
            # Not subprocess.Popen: it would warn about a child that outlives its object.
            pid = os.posix_spawn(
                command[0],
                list(command),
                child_environment(),
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, str(self.console_log), log_flags, 0o644),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                setsid=True,
            )
        except OSError as exc:
            raise StartError(f"cannot start {self.name} ({command[0]}): {exc}") from exc
        identity = Identity.of(pid)
        if identity is None:
            raise StartError(f"{self.name} ended at once; see {self.console_log}")
        partial = self.pidfile.with_suffix(".new")
        partial.write_text(json.dumps(asdict(identity)), encoding="utf-8")
        partial.replace(self.pidfile)

    def terminate(self, timeout_seconds: float) -> None:
        """End the process: SIGTERM, and SIGKILL when it is not gone in time. Idempotent."""
        # A stopped process would not see the SIGTERM.
        self.send(signal.SIGCONT)
        if self.send(signal.SIGTERM) and not self._wait_gone(timeout_seconds):
            self.kill()
        self.pidfile.unlink(missing_ok=True)

    def kill(self) -> None:
        """End the process with SIGKILL and wait until it is gone. Idempotent."""
        if self.send(signal.SIGKILL) and not self._wait_gone(10.0):
            raise StartError(f"{self.name} (pid {self.pid}) does not end, not even by SIGKILL")
        self.pidfile.unlink(missing_ok=True)

    def send(self, number: signal.Signals) -> bool:
        """Send a signal; False when the process does not run."""
        identity = self._read()
        if identity is None:
            return False
        try:
            os.kill(identity.pid, number)
        except ProcessLookupError:
            return False
        return True

    def _wait_gone(self, timeout_seconds: float) -> bool:
        deadline = time.monotonic() + timeout_seconds
        while self.is_running():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def _read(self) -> Identity | None:
        try:
            identity = Identity(**json.loads(self.pidfile.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        _reap(identity.pid)
        return identity if Identity.of(identity.pid) == identity else None


def _reap(pid: int) -> None:
    """Collect an ended child, so that no zombie stays; nothing for other people's children."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
