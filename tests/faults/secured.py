"""A broker with SCRAM, TLS and rights, and a Redis with TLS: real servers that refuse."""

import contextlib
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import redis
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from contracts.kafka_log import quiet_kafka_log
from contracts.rights import Right
from stack.parts import KafkaBroker
from stack.ports import HOST, pick_port
from stack.programs import find_redis
from stack.settings import StackSettings

PASSWORD: Final = "s3cret-of-the-shop"
"""Everybody's, in Kafka and in Redis."""

DEBIANS_REDIS: Final = Path("/usr/bin/redis-check-rdb")
"""The server by another name, in a package (redis-tools) that starts none."""

_PROPERTIES: Final = """
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller},SASL://{host}:{sasl},{tls}
advertised.listeners=PLAINTEXT://{host}:{port},SASL://{host}:{sasl},{tls}
controller.quorum.voters=1@{host}:{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,\
GOOD:SASL_SSL,EXPIRED:SASL_SSL,ELSEWHERE:SASL_SSL,MUTUAL:SASL_SSL
sasl.enabled.mechanisms=SCRAM-SHA-512
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
listener.name.mutual.ssl.client.auth=required
listener.name.mutual.ssl.truststore.type=PEM
listener.name.mutual.ssl.truststore.location={ca}
"""

_LOGIN: Final = (
    "listener.name.{name}.scram-sha-512.sasl.jaas.config="
    "org.apache.kafka.common.security.scram.ScramLoginModule required;\n"
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
        pairs: Key and chain in one file: `good`, `expired`, `elsewhere` (another host's).
    """

    ca: Path
    stranger: Path
    pairs: dict[str, Path]


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
    pairs = {}
    for name, certificate in issued.items():
        key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
        pairs[name] = directory / f"{name}.pem"
        chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        pairs[name].write_bytes(pem + chain)
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    stranger.cert_pem.write_to_path(str(directory / "stranger.pem"))
    return Certificates(directory / "ca.pem", directory / "stranger.pem", pairs)


class SecuredBroker(KafkaBroker):
    """Anybody may do anything on `port`; elsewhere users with a password, what they were granted.

    Attributes:
        ports: By listener: `sasl`, and with TLS `good`, `expired`, `elsewhere`, and `mutual`,
            which wants a certificate of the client's too.
    """

    def __init__(self, directory: Path, certificates: Certificates) -> None:
        super().__init__(directory, StackSettings(stack_start_seconds=240))
        self.port = pick_port()
        self._certificates = certificates
        self._served = {**certificates.pairs, "mutual": certificates.pairs["good"]}
        self.ports = {name: pick_port() for name in ("sasl", *self._served)}

    def _write_config(self) -> Path:
        properties = super()._write_config()
        text = _PROPERTIES.format(
            host=HOST,
            port=self.port,
            controller=pick_port(),
            sasl=self.ports["sasl"],
            tls=",".join(f"{name.upper()}://{HOST}:{self.ports[name]}" for name in self._served),
            ca=self._certificates.ca,
        )
        text += "".join(_LOGIN.format(name=name) for name in self.ports)
        text += "".join(_KEYS.format(name=name, path=path) for name, path in self._served.items())
        with properties.open("a", encoding="utf-8") as config:
            config.write(text)
        return properties

    def add_user(self, name: str) -> None:
        """Make a user, who may do nothing yet."""
        mechanism = ScramMechanism.SCRAM_SHA_512
        with self._admin() as admin:
            admin.alter_user_scram_credentials(
                [UserScramCredentialUpsertion(name, mechanism, PASSWORD, iterations=4096)]
            )

    def grant(self, user: str, rights: Iterable[Right]) -> None:
        """Give a user rights."""
        acls = [
            ACL(
                principal=f"User:{user}",
                host="*",
                operation=_OPERATIONS[right.operation],
                permission_type=ACLPermissionType.ALLOW,
                resource_pattern=ResourcePattern(_KINDS[right.resource], right.name),
            )
            for right in rights
        ]
        ours = ACLFilter(
            principal=f"User:{user}",
            host=None,
            operation=ACLOperation.ANY,
            permission_type=ACLPermissionType.ANY,
            resource_pattern=ResourcePatternFilter(
                ResourceType.ANY, None, ACLResourcePatternType.ANY
            ),
        )
        deadline = time.monotonic() + 60
        with self._admin() as admin:
            admin.create_acls(acls)
            # The answer is the controller's; the broker learns of it a moment later.
            while not set(acls) <= set(admin.describe_acls(ours)[0]):
                assert time.monotonic() < deadline, acls
                time.sleep(0.01)

    @contextmanager
    def _admin(self) -> Iterator[Any]:
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            yield admin
        finally:
            admin.close()


_KINDS: Final = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
}

_OPERATIONS: Final = {
    "Read": ACLOperation.READ,
    "Write": ACLOperation.WRITE,
    "Describe": ACLOperation.DESCRIBE,
    "DescribeConfigs": ACLOperation.DESCRIBE_CONFIGS,
    "Create": ACLOperation.CREATE,
}


def find_redis_with_tls() -> Path:
    """Return a server that was built with TLS; not all are."""
    for program in (find_redis(StackSettings()), DEBIANS_REDIS):
        if program.is_file() and b"tls-auth-clients" in program.read_bytes():
            return program
    pytest.skip("no redis-server with TLS (Debian: apt install redis-tools)")


class SecuredRedis:
    """A real server; `admin` may do anything, without TLS, as an administrator on the machine."""

    def __init__(self, directory: Path, certificates: Certificates) -> None:
        program = find_redis_with_tls()
        directory.mkdir()
        plain, self.port = pick_port(), pick_port()
        self._certificates = certificates
        options = {
            "bind": HOST, "port": plain, "tls-port": self.port, "dir": directory, "save": "",
            "tls-ca-cert-file": certificates.ca, "tls-auth-clients": "optional",
            "tls-cert-file": certificates.pairs["good"],
            "tls-key-file": certificates.pairs["good"],
        }  # fmt: skip
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        log = (directory / "redis.log").open("wb")
        self._process = subprocess.Popen(
            ["redis-server", *words], executable=program, stdout=log, stderr=log
        )
        log.close()
        self.admin: Any = redis.Redis(host=HOST, port=plain)
        deadline = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < deadline, (directory / "redis.log").read_text()
            time.sleep(0.05)

    def _answers(self) -> bool:
        with contextlib.suppress(redis.ConnectionError):
            return bool(self.admin.ping())
        return False

    def url(self, user: str, password: str = "") -> str:
        """Return where a user connects, with TLS."""
        login = f"{user}:{password}" if password else user
        return f"rediss://{login}@{HOST}:{self.port}/0"

    def set_user(self, user: str, rules: Iterable[str]) -> None:
        """Make a user, or change one."""
        self.admin.execute_command("ACL", "SETUSER", user, "on", f">{PASSWORD}", *rules)

    @contextmanager
    def showing(self, certificate: str, *, asks: str = "optional") -> Iterator[None]:
        """Show another certificate for a while, and ask clients for theirs."""
        try:
            self._show(certificate, asks)
            yield
        finally:
            self._show("good", "optional")

    def _show(self, certificate: str, asks: str) -> None:
        pair = str(self._certificates.pairs[certificate])
        self.admin.execute_command(
            "CONFIG", "SET", "tls-cert-file", pair, "tls-key-file", pair, "tls-auth-clients", asks
        )

    def stop(self) -> None:
        """End it."""
        self.admin.close()
        self._process.kill()
        self._process.wait()


@dataclass
class Secured:
    """The servers, and settings of a client that does everything right."""

    broker: SecuredBroker
    redis: SecuredRedis
    certificates: Certificates
    users: set[str] = field(default_factory=set)

    @property
    def password(self) -> Path:
        return self.certificates.ca.parent / "password"

    def kafka(self, user: str, listener: str = "good", **changes: object) -> dict[str, Any]:
        if user not in self.users:
            self.broker.add_user(user)
            self.users.add(user)
        trusted = {} if listener == "sasl" else {"kafka_ca_file": self.certificates.ca}
        return {
            "kafka_bootstrap": f"{HOST}:{self.broker.ports[listener]}",
            "kafka_security_protocol": "SASL_PLAINTEXT" if listener == "sasl" else "SASL_SSL",
            "kafka_sasl_mechanism": "SCRAM-SHA-512",
            "kafka_username": user,
            "kafka_password_file": self.password,
            **trusted,
            **changes,
        }

    def redis_of(self, user: str, **changes: object) -> dict[str, Any]:
        return {
            "redis_url": self.redis.url(user),
            "redis_password_file": self.password,
            "redis_ca_file": self.certificates.ca,
            **changes,
        }


@contextmanager
def secured_servers(directory: Path) -> Iterator[Secured]:
    """Both servers, their certificates, and files with everybody's password and a wrong one."""
    certificates = make_certificates(directory / "certificates")
    for name, text in (("password", PASSWORD), ("wrong", "s3cret-but-wrong")):
        (certificates.ca.parent / name).write_text(f"{text}\n")
    server = SecuredRedis(directory / "redis", certificates)
    broker = SecuredBroker(directory / "kafka", certificates)
    quiet_kafka_log()
    try:
        broker.start(dies_with_parent=True)
        yield Secured(broker, server, certificates)
    finally:
        broker.stop()
        server.stop()
