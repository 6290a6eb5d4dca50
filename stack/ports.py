"""Ports on the loopback address: which are free, and which to take."""

import random
import socket
from pathlib import Path
from typing import Final

from stack.errors import PortInUseError

HOST: Final = "127.0.0.1"
"""The stack listens here and nowhere else: it has no passwords."""

_LOWEST: Final = 20_000
"""Ports are picked from here up to where the kernel's ephemeral ports begin."""

_TRIES: Final = 200
"""Random picks before giving up; one nearly always does."""

_CLAIM: Final = "\0genrecast-port-{}"
"""Name of an abstract Unix socket: seen by every process that sees the port, on no disk."""


def is_free(port: int) -> bool:
    """Return whether a server could listen on `port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: connections in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def claim(port: int) -> bool:
    """Keep all processes from picking a port while this one lives; False when another one does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as held:
        try:
            held.bind(_CLAIM.format(port))
        except OSError:
            return False
        held.detach()  # stays open, for the kernel to close
    return True


def pick_port() -> int:
    """Return a free port outside the kernel's ephemeral range, which nobody else is given.

    Inside that range a client that keeps reconnecting to a broker that is down can be given the
    broker's own port, connect to itself and so hold the port against the broker's restart.

    The claim lasts as long as this process: a server needs seconds before it listens, and others
    pick ports meanwhile.
    """
    lowest_ephemeral = _lowest_ephemeral_port()
    if lowest_ephemeral > _LOWEST:
        source = random.SystemRandom()
        for _ in range(_TRIES):
            port = source.randrange(_LOWEST, lowest_ephemeral)
            if is_free(port) and claim(port):
                return port
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def choose_port(asked: int | None, preferred: int, *, what: str) -> int:
    """Return the port to listen on.

    Args:
        asked: What the user asked for: that port or an error; None or 0 leaves the choice to us.
        preferred: Taken when free and nothing was asked for; 0 prefers none.
        what: Who wants the port, for the message.

    Raises:
        PortInUseError: The port that was asked for is taken.
    """
    if asked:
        if is_free(asked):
            return asked
        raise PortInUseError(
            f"port {asked}, asked for {what}, is in use; stop what listens there, "
            "ask for another port, or ask for none and a free one is taken"
        )
    if asked is None and preferred and is_free(preferred):
        return preferred
    return pick_port()


def _lowest_ephemeral_port() -> int:
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    except OSError:
        return 0
    return int(text.split()[0])
