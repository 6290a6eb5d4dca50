"""Scripts of a deployment, run on the keys of its one hash slot."""

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Final, Self

from contracts.instruments import histogram
from contracts.rights import READS, WRITES
from contracts.settings import Settings
from state.redis_client import RedisClient, Script
from state.store import StoreRefusedError

SCRIPT_SECONDS: Final = histogram("genrecast_redis_script_seconds")
"""How long calls take; one measurement per call, and a call is a batch or a bucket."""

NEVER_KEY: Final = "never"
"""A key that never exists, given to every script: while a cluster moves our slot to another node, a
missing key has the call refused before it begins. Without it a script could fail in its middle,
at a key beside its KEYS that has moved already."""


READING: Final = frozenset({"read", "progress", "taste_read", "taste_look"})
"""Scripts that change nothing."""

_TRIED: Final = tuple(f"rights:{kind}" for kind in ("h", "l", "z", "s"))
"""Keys on which commands are tried: a hash, a list, a sorted set, a string."""


class Scripted:
    """Runs scripts of `state/scripts` by name; safe to use from several threads.

    Before the first script that reads, and the first one that writes, each command of such scripts
    is tried: one that is denied would stop a script in its middle, and few releases of Redis name
    it then.
    """

    SCRIPTS: tuple[str, ...] = ()
    """Names of the scripts that a class runs, beside `read`."""

    def __init__(self, client: RedisClient, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._prefix = key_prefix(settings.app)
        scripts = resources.files("state") / "scripts"
        self._scripts = {
            name: Script.of((scripts / f"{name}.lua").read_text(encoding="utf-8"))
            for name in ("rights", "read", *self.SCRIPTS)
        }
        self._allowed: frozenset[str] = frozenset()
        self._seconds = {name: SCRIPT_SECONDS.labels(name) for name in self._scripts}

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """Make one for a deployment; connects on first use."""
        return cls(RedisClient(settings), settings)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _call(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> list[Any]:
        self._need(READS if script in READING else WRITES)
        try:
            return self._run_script(script, keys, arguments)
        except StoreRefusedError:
            self._allowed = frozenset()  # the next call finds out what was taken away
            raise

    def _need(self, commands: Sequence[str]) -> None:
        """Try commands that are not known to be allowed."""
        if not self._allowed.issuperset(commands):
            self._try_commands(commands)

    def _try_commands(self, commands: Sequence[str]) -> None:
        """Try each command.

        Raises:
            StoreRefusedError: Naming those that our user may not use.
        """
        denied = self._run_script("rights", _TRIED, commands)
        if denied:
            names = " ".join(f"+{name.decode()}" for name in denied)
            raise StoreRefusedError(
                f"Redis denies our user the commands {names}: give it what `genrecast rights` lists"
            )
        self._allowed = frozenset(commands)

    def _run_script(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> list[Any]:
        named = [self._prefix + name for name in (*keys, NEVER_KEY)]
        with self._seconds[script].time():
            return self._client.run(self._scripts[script], named, arguments)

    def _read(self, commands: Mapping[str, str]) -> list[Any]:
        """Return the replies to commands by key, as of one moment."""
        return self._call("read", list(commands), list(commands.values()))


def key_prefix(app: str) -> str:
    """Return what all keys of a deployment begin with: the braces put them into one hash slot."""
    return f"{{genrecast:{app}}}:"


def pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    """Return a hash's flat reply as a dictionary."""
    return dict(zip(flat[::2], flat[1::2], strict=True))
