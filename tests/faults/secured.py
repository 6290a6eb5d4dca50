"""A broker with passwords, rights and TLS, and TLS in front of Redis: real refusals."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from stack.parts import KafkaBroker
from stack.ports import HOST, pick_port
from stack.settings import StackSettings

USER: Final = "shop"
PASSWORD: Final = "s3cret-of-the-shop"

_PROPERTIES: Final = """
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller},SASL://{host}:{sasl},{tls}
advertised.listeners=PLAINTEXT://{host}:{port},SASL://{host}:{sasl},{tls}
controller.quorum.voters=1@{host}:{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,\
GOOD:SASL_SSL,EXPIRED:SASL_SSL,ELSEWHERE:SASL_SSL
sasl.enabled.mechanisms=PLAIN
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""

_LOGIN: Final = (
    "listener.name.{name}.plain.sasl.jaas.config="
    "org.apache.kafka.common.security.plain.PlainLoginModule required "
    f'user_{USER}="{PASSWORD}";\n'
)

_KEYS: Final = """\
listener.name.{name}.ssl.keystore.type=PEM
listener.name.{name}.ssl.keystore.location={path}
"""


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files of one certificate authority and what it has signed.

    Attributes:
        ca: The authority, to trust.
        stranger: Another authority, that has signed nothing.
        servers: Key and chain in one file: `good`, `expired`, `elsewhere` (another host's).
    """

    ca: Path
    stranger: Path
    servers: dict[str, Path]


def make_certificates(directory: Path) -> Certificates:
    """Make them anew."""
    directory.mkdir(parents=True, exist_ok=True)
    authority, stranger = trustme.CA(), trustme.CA()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    issued = {
        "good": authority.issue_cert(HOST),
        "expired": authority.issue_cert(HOST, not_before=yesterday, not_after=yesterday),
        "elsewhere": authority.issue_cert("elsewhere.example"),
    }
    servers = {}
    for name, certificate in issued.items():
        key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
        servers[name] = directory / f"{name}.pem"
        chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        servers[name].write_bytes(pem + chain)
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    stranger.cert_pem.write_to_path(str(directory / "stranger.pem"))
    return Certificates(directory / "ca.pem", directory / "stranger.pem", servers)


class SecuredBroker(KafkaBroker):
    """Anybody may do anything on `port`; elsewhere only `USER`, what he has been granted.

    Attributes:
        ports: By listener: `sasl`, and with TLS `good`, `expired`, `elsewhere`.
    """

    def __init__(self, directory: Path, certificates: Certificates) -> None:
        super().__init__(directory, StackSettings())
        self.port = pick_port()
        self.ports = {name: pick_port() for name in ("sasl", *certificates.servers)}
        self._certificates = certificates

    def _write_config(self) -> Path:
        properties = super()._write_config()
        servers = self._certificates.servers
        text = _PROPERTIES.format(
            host=HOST,
            port=self.port,
            controller=pick_port(),
            sasl=self.ports["sasl"],
            tls=",".join(f"{name.upper()}://{HOST}:{self.ports[name]}" for name in servers),
        )
        text += "".join(_LOGIN.format(name=name) for name in self.ports)
        text += "".join(_KEYS.format(name=name, path=path) for name, path in servers.items())
        with properties.open("a", encoding="utf-8") as config:
            config.write(text)
        return properties


@contextmanager
def tls_in_front(port: int, server: Path) -> Iterator[int]:
    """Serve TLS with a certificate in front of a port of this machine; yields its own port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server)
    own = pick_port()
    loop = asyncio.new_event_loop()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection(HOST, port)
        await asyncio.gather(pump(reader, behind_writer), pump(behind_reader, writer))

    started = loop.create_task(asyncio.start_server(relay, HOST, own, ssl=context))
    loop.run_until_complete(started)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield own
    finally:
        asyncio.run_coroutine_threadsafe(_end(started.result()), loop).result(timeout=5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=5)
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    relays = asyncio.all_tasks() - {asyncio.current_task()}
    for relay in relays:
        relay.cancel()
    await asyncio.gather(*relays, return_exceptions=True)
