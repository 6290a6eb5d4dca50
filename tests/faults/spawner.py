"""Processes at the price of a fork: a server with everything imported makes the real commands.

A fault run starts a consumer every few seconds; importing costs it 1.5 s of a core, a fork 20 ms.
The server itself has one thread and no client; its children are processes like any other.
"""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

PRELOADED: Final = (
    "consumer.cli", "consumer.service", "model.baseline", "model.registry", "model.window",
    "producer_sim.cli", "tests.faults.seam",
)  # fmt: skip
"""What the server imports once; never TensorFlow, whose threads do not survive a fork."""

END_SECONDS: Final = 5.0
"""How long ended processes may take to disappear."""


@dataclass(slots=True)
class Member:
    """A process of the lab; what `subprocess.Popen` is to a child of one's own."""

    pid: int
    log: Path
    spawner: "Spawner"
    exit_code: int | None = None
    peak_rss_bytes: int = 0

    def poll(self) -> int | None:
        """Return the exit code; minus the signal's number after one, None while it runs."""
        if self.exit_code is None:
            self._note_memory()
            self.exit_code = self.spawner.exit_code(self.pid)
        return self.exit_code

    def wait(self, timeout: float) -> int:
        """Wait for the end.

        Raises:
            subprocess.TimeoutExpired: It still runs.
        """
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(f"pid {self.pid}", timeout)
            self._wait_for_exit(min(0.5, deadline - time.monotonic()))
        return code

    def _wait_for_exit(self, seconds: float) -> None:
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            select.select([descriptor], [], [], max(0.0, seconds))
        finally:
            os.close(descriptor)

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing when it has ended (its number is kept until it is asked for)."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a crash would."""
        self.send(signal.SIGKILL)
        self.wait(END_SECONDS)

    def pause(self) -> None:
        """Freeze it: whatever it holds, it does not let go of."""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen one go on."""
        self.send(signal.SIGCONT)

    def is_stopped(self) -> bool:
        """Say whether a signal has frozen it."""
        try:
            text = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8")
        except OSError:
            return False
        return text.rpartition(")")[2].split()[0] == "T"

    def _note_memory(self) -> None:
        try:
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        except OSError:
            return
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                self.peak_rss_bytes = max(self.peak_rss_bytes, 1024 * int(line.split()[1]))


@dataclass(slots=True)
class Spawner:
    """Client of one server; safe from any thread. All its processes end with it."""

    members: list[Member] = field(default_factory=list)
    _server: "subprocess.Popen[str] | None" = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, arguments: Sequence[object], log: Path) -> Member:
        """Start `tests.faults.seam` with arguments, output appended to `log`."""
        log.parent.mkdir(parents=True, exist_ok=True)
        reply = self._ask({"run": [str(argument) for argument in arguments], "log": str(log)})
        member = Member(reply["pid"], log, self)
        self.members.append(member)
        return member

    def exit_code(self, pid: int) -> int | None:
        """Return how a process ended; None while it runs."""
        code: int | None = self._ask({"poll": pid})["code"]
        return code

    def end(self) -> None:
        """Kill what runs, and the server."""
        server, self._server = self._server, None
        if server is not None and server.stdin is not None and server.stdout is not None:
            server.stdin.close()
            server.wait(timeout=END_SECONDS)
            server.stdout.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            server = self._server = self._server or _start_server()
            if server.stdin is None or server.stdout is None:
                raise RuntimeError("the spawner has no pipes")
            server.stdin.write(json.dumps(request) + "\n")
            server.stdin.flush()
            reply: dict[str, Any] = json.loads(server.stdout.readline())
            return reply


def _start_server() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.spawner"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


class Server:
    """Answers requests, one JSON line each, until its input ends."""

    def __init__(self) -> None:
        self._codes: dict[int, int | None] = {}

    def serve(self, requests: Any, reply: Callable[[str], None]) -> None:  # noqa: ANN401
        """Serve; then kill every process that is left."""
        for line in requests:
            request = json.loads(line)
            answer = self._run(request) if "run" in request else self._poll(request["poll"])
            reply(json.dumps(answer))
        for pid, code in self._codes.items():
            if code is None and self._poll(pid)["code"] is None:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def _run(self, request: dict[str, Any]) -> dict[str, int]:
        pid = os.fork()
        if pid == 0:
            _become(request["run"], request["log"])
        self._codes[pid] = None
        return {"pid": pid}

    def _poll(self, pid: int) -> dict[str, int | None]:
        if self._codes.get(pid) is None:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self._codes[pid] = os.waitstatus_to_exitcode(status)
        return {"code": self._codes[pid]}


def _become(arguments: list[str], log: str) -> NoReturn:
    """Run a command in this fork; the interpreter then ends as that of any process does."""
    null = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for descriptor, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, target)
    os.close(null)
    os.close(output)
    from tests.faults.seam import main

    main(arguments)
    sys.exit(0)


if __name__ == "__main__":
    import importlib

    for name in PRELOADED:
        importlib.import_module(name)
    Server().serve(sys.stdin, lambda text: print(text, flush=True))
