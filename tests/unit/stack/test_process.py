import sys
import time
from pathlib import Path

import psutil

from stack.process import Identity, ServiceProcess

OUTLIVED = """
import ctypes, platform, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
# The first thread alone ends, as in a killed server whose other threads are still on their way.
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)
"""


def wait_for_status(pid: int, status: str) -> None:
    deadline = time.monotonic() + 30
    while psutil.Process(pid).status() != status:
        assert time.monotonic() < deadline, psutil.Process(pid).status()
        time.sleep(0.01)


def test_a_process_runs_while_any_of_its_threads_does(tmp_path: Path) -> None:
    process = ServiceProcess("outlived", tmp_path / "pid", tmp_path / "log")
    process.spawn([sys.executable, "-c", OUTLIVED])
    pid = process.pid
    assert pid is not None
    try:
        wait_for_status(pid, psutil.STATUS_ZOMBIE)
        assert process.is_running()
    finally:
        process.kill()
    assert not process.is_running()
    assert Identity.of(pid) is None
