"""What a broker says before it hangs up: it refuses a login in one breath with ending the link.

kafka-python (3.0.12) throws away what comes together with the connection's end, so that a wrong
password looks like a broker that is away.
"""

from collections.abc import Callable
from typing import Any, Final

from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport

_RECEIVE: Final = "_sock_recv"
"""The client's method that reads what there is; it returns (bytes, error or None)."""

_Receive = Callable[[Any], tuple[bytes, Exception | None]]


def hear_last_words() -> None:
    """Have the client hand over what came before an end; the end shows at its next look."""
    for transport in (KafkaTCPTransport, KafkaSSLTransport):
        receive: _Receive | None = vars(transport).get(_RECEIVE)
        if receive is not None and receive.__module__ != __name__:
            setattr(transport, _RECEIVE, _words_first(receive))


def _words_first(receive: _Receive) -> _Receive:
    def words_first(transport: Any) -> tuple[bytes, Exception | None]:  # noqa: ANN401 (the client's)
        received, error = receive(transport)
        return received, None if received else error

    return words_first
