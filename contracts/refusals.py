"""What a peer refuses, in words: what is wrong, and what to change. Imports no client.

Clients tell it by the name of an error or in a text of OpenSSL's; that is all that is looked at.
"""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom a link leads to.

    Attributes:
        name: As people call it.
        prefix: Beginning of its settings' variables.
        address: The variable that says where it is.
        login: What decides who we are there.
    """

    name: str
    prefix: str
    address: str
    login: str


KAFKA: Final = Peer(
    "Kafka",
    "GENRECAST_KAFKA",
    "GENRECAST_KAFKA_BOOTSTRAP",
    "GENRECAST_KAFKA_USERNAME, GENRECAST_KAFKA_PASSWORD (or _FILE) and "
    "GENRECAST_KAFKA_SASL_MECHANISM",
)
REDIS: Final = Peer(
    "Redis",
    "GENRECAST_REDIS",
    "GENRECAST_REDIS_URL",
    "user and password in GENRECAST_REDIS_URL, or GENRECAST_REDIS_PASSWORD_FILE",
)
SENTINELS: Final = Peer(
    "a sentinel",
    "GENRECAST_REDIS",
    "GENRECAST_REDIS_URL",
    "GENRECAST_REDIS_SENTINEL_USERNAME and GENRECAST_REDIS_SENTINEL_PASSWORD (or _FILE)",
)

_TEXTS: Final = (
    (
        r"certificate has expired",
        "the certificate of {name} has expired: it has to be renewed there",
    ),
    (
        r"certificate is not yet valid",
        "the certificate of {name} is not valid yet: the clock here or there is wrong",
    ),
    (
        r"certificate is not valid for '(?P<host>[^']+)'",
        "the certificate of {name} is not valid for {host}: "
        "{address} must have a name that is in it",
    ),
    (
        r"(?:IP address|Hostname) mismatch",
        "the certificate of {name} is for another host: {address} must have a name that is in it",
    ),
    (
        r"certificate verify failed(?:: (?P<why>[^(]*[^( ]))?",
        "the certificate of {name} is not trusted ({why}): "
        "{prefix}_CA_FILE must hold the certificate of its authority",
    ),
    (
        r"(?i)alert[ _](?:certificate[ _]expired)",
        "{name} says that our certificate has expired: renew {prefix}_CERTIFICATE_FILE",
    ),
    (
        r"(?i)alert[ _](?:certificate[ _](?:required|unknown)|bad[ _]certificate|unknown[ _]ca"
        r"|unsupported[ _]certificate|certificate[ _]revoked|handshake[ _]failure)",
        "{name} refuses our certificate, or that we have none: {prefix}_CERTIFICATE_FILE and "
        "{prefix}_KEY_FILE must hold one that it trusts and that has not expired",
    ),
    (
        r"(?i)wrong[ _]version[ _]number|record layer failure|packet length too long",
        "{name} does not speak TLS at {address}: a wrong port, or no TLS is wanted there",
    ),
    (
        r"UnsupportedSaslMechanismError(?:.*Enabled mechanisms: (?P<known>\[[^\]]*\]))?",
        "{name} does not take the mechanism in GENRECAST_KAFKA_SASL_MECHANISM",
    ),
    (
        r"SaslAuthenticationFailedError|Invalid username or password|invalid username-password pair"
        r"|WRONGPASS|invalid password|auth:AuthenticationError",
        "{name} refuses the login, user or password are wrong: check {login}",
    ),
    (
        r"NOAUTH|Authentication required",
        "{name} asks for a password: set {login}",
    ),
)  # fmt: skip

_COMPILED: Final = tuple((re.compile(pattern), told) for pattern, told in _TEXTS)


def refused_link(reason: str, peer: Peer) -> str | None:
    """Return in words why there is no link, where waiting does not help; None where it may."""
    for pattern, told in _COMPILED:
        found = pattern.search(reason)
        if found:
            parts = {name: text or "it tells no more" for name, text in found.groupdict().items()}
            names = {"name": peer.name, "prefix": peer.prefix, "address": peer.address,
                     "login": peer.login}  # fmt: skip
            return told.format(**names | parts)
    return None


_DENIED: Final = {
    "TopicAuthorizationFailedError": "topic",
    "GroupAuthorizationFailedError": "group",
    "TransactionalIdAuthorizationFailedError": "transactional id",
    "ClusterAuthorizationFailedError": "the cluster",
}
"""What Kafka denies a right on, by the name of the client's error."""


def denied_right(error: BaseException, operation: str, on: str = "") -> str | None:
    """Return in words which right is missing in Kafka, None where it is not about one.

    Args:
        error: As the client raised it.
        operation: What was to be done, as Kafka names it: Read, Write, Describe, Create.
        on: Name of what it was to be done on, where the error does not tell.
    """
    name = type(error).__name__
    kind = _DENIED.get(name)
    if kind is None:
        return f"Kafka refuses: {name}" if name.endswith("AuthorizationFailedError") else None
    right = {"group": "Read", "transactional id": "Write", "the cluster": "IdempotentWrite"}
    wanted = " ".join(filter(None, [right.get(kind, operation), "on", kind, _named(error) or on]))
    return f"Kafka denies our user {wanted}: grant it (`genrecast rights` lists them)"


_NAME: Final = re.compile(r"[A-Za-z0-9._/-]{1,249}")


def _named(error: BaseException) -> str:
    """Return the names that an error gives; empty where it quotes a request instead."""
    given = error.args[0] if error.args else ""
    names = sorted(given) if isinstance(given, set | frozenset | list | tuple) else [given]
    is_name = all(isinstance(name, str) and _NAME.fullmatch(name) for name in names)
    return ", ".join(names) if is_name else ""
