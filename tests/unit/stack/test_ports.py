import subprocess
import sys

import pytest

from stack import ports

PICK = """
import sys
from stack import ports
if sys.argv[1:]:
    ports._LOWEST = int(sys.argv[1])
    ports._lowest_ephemeral_port = lambda: ports._LOWEST + 1
print(ports.pick_port())
"""


def picked_elsewhere(*only: int) -> int:
    """Have another process pick a port, from all or from one."""
    command = [sys.executable, "-c", PICK, *map(str, only)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_a_picked_port_is_given_to_no_other_process() -> None:
    port = ports.pick_port()
    assert ports.is_free(port), "nothing listens there yet"
    assert picked_elsewhere(port) != port


def test_a_port_is_given_again_when_the_process_that_picked_it_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = picked_elsewhere()
    monkeypatch.setattr(ports, "_LOWEST", port)
    monkeypatch.setattr(ports, "_lowest_ephemeral_port", lambda: port + 1)
    assert ports.pick_port() == port
    assert ports.pick_port() != port, "this process does not get it twice either"
