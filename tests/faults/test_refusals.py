"""Wrong passwords, missing rights, untrusted certificates: said once, clearly, and waited for."""

import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from kafka import KafkaAdminClient
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

from stack.ports import HOST
from stack.runner import Endpoints
from tests.deployment import Deployment, deployment
from tests.faults.secured import (
    PASSWORD,
    USER,
    Certificates,
    SecuredBroker,
    make_certificates,
    tls_in_front,
)

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(240)]

PATIENCE_SECONDS = 60.0


@dataclass
class Secured:
    broker: SecuredBroker
    certificates: Certificates
    redis_url: str

    def kafka(self, listener: str, **changes: object) -> dict[str, object]:
        """Return the settings of a client of a listener that does everything right."""
        protocol = "SASL_PLAINTEXT" if listener == "sasl" else "SASL_SSL"
        trusted = {} if listener == "sasl" else {"kafka_ca_file": self.certificates.ca}
        return {
            "kafka_bootstrap": f"{HOST}:{self.broker.ports[listener]}",
            "kafka_security_protocol": protocol,
            "kafka_username": USER,
            "kafka_password_file": self.certificates.ca.parent / "password",
            **trusted,
            **changes,
        }


@pytest.fixture(scope="module")
def secured(services: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    directory = tmp_path_factory.mktemp("secured")
    certificates = make_certificates(directory / "certificates")
    (certificates.ca.parent / "password").write_text(PASSWORD + "\n")
    (certificates.ca.parent / "wrong").write_text("s3cret-but-wrong\n")
    broker = SecuredBroker(directory / "kafka", certificates)
    broker.start()
    yield Secured(broker, certificates, services.redis_url)
    broker.stop()


@contextmanager
def consuming(d: Deployment, **changes: object) -> Iterator[Path]:
    """Run a consumer with other settings; yields its log, which holds no secret at the end."""
    options = d.options
    d.options = {**options, **changes}
    log = d.logs / f"{len(d.running)}-consume.log"
    process = d.start("consume")
    d.options = options
    try:
        yield log
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
    text = log.read_text()
    assert "s3cret" not in text
    assert "Traceback" not in text


def wait_for(log: Path, *patterns: str) -> None:
    """Wait until a log holds something of each pattern (regular expressions)."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not all(re.search(pattern, log.read_text()) for pattern in patterns):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


@pytest.fixture
def shop(secured: Secured, tmp_path: Path) -> Iterator[Deployment]:
    """A deployment whose topics are there, made by somebody with all rights."""
    bootstrap = f"{HOST}:{secured.broker.port}"
    with deployment(bootstrap, secured.redis_url, tmp_path / "logs", bucket_seconds=30) as d:
        d.make_topics()
        yield d


def test_a_wrong_kafka_password_is_refused_by_name(secured: Secured, shop: Deployment) -> None:
    wrong = secured.certificates.ca.parent / "wrong"
    with consuming(shop, **secured.kafka("sasl", kafka_password_file=wrong)) as log:
        # Which of the two the client sees is the broker's timing.
        wait_for(log, "not ready", "Invalid username or password|refuses a login")


@pytest.mark.parametrize(
    ("listener", "changes", "reason"),
    [
        ("good", {"kafka_ca_file": "stranger"}, "certificate verify failed"),
        ("expired", {}, "certificate has expired"),
        ("elsewhere", {}, "certificate is not valid for"),
    ],
)
def test_a_brokers_certificate_that_is_not_trusted_is_told_why(
    secured: Secured, shop: Deployment, listener: str, changes: dict[str, str], reason: str
) -> None:
    others = {name: secured.certificates.stranger for name in changes}
    with consuming(shop, **secured.kafka(listener, **others)) as log:
        wait_for(log, "not ready", reason)


def test_missing_rights_are_named_one_by_one_and_granting_them_needs_no_restart(
    secured: Secured, shop: Deployment
) -> None:
    settings = shop.settings
    everything = {
        ResourceType.TOPIC: [
            settings.topic_clicks, settings.topic_forecasts, settings.topic_buckets,
            settings.topic_late, settings.topic_dead_letter,
        ],
        ResourceType.GROUP: [f"genrecast-{settings.app}"],
        ResourceType.TRANSACTIONAL_ID: [f"genrecast-{settings.app}"],
    }  # fmt: skip
    with consuming(shop, **secured.kafka("good")) as log:
        for kind, told in (
            (ResourceType.TOPIC, "TopicAuthorizationFailed"),
            (ResourceType.GROUP, "GroupAuthorizationFailed"),
            (ResourceType.TRANSACTIONAL_ID, "TransactionalIdAuthorizationFailed"),
        ):
            wait_for(log, told)
            grant(secured, kind, everything[kind])
        wait_for(log, "this member is the forecaster")


def grant(secured: Secured, kind: ResourceType, names: list[str]) -> None:
    admin = KafkaAdminClient(bootstrap_servers=f"{HOST}:{secured.broker.port}")
    try:
        admin.create_acls(
            [
                ACL(
                    principal=f"User:{USER}",
                    host="*",
                    operation=ACLOperation.ALL,
                    permission_type=ACLPermissionType.ALLOW,
                    resource_pattern=ResourcePattern(kind, name),
                )
                for name in names
            ]
        )
    finally:
        admin.close()


@pytest.mark.parametrize(
    ("server", "trusted", "reason"),
    [
        ("good", "stranger", "certificate verify failed"),
        ("expired", "ca", "certificate has expired"),
        ("elsewhere", "ca", "certificate is not valid for"),
    ],
)
def test_a_certificate_of_redis_that_is_not_trusted_is_told_why(
    secured: Secured, shop: Deployment, server: str, trusted: str, reason: str
) -> None:
    port = int(secured.redis_url.rpartition(":")[2].partition("/")[0])
    certificate = secured.certificates.servers[server]
    with tls_in_front(port, certificate) as own:
        changes = {
            "redis_url": f"rediss://{HOST}:{own}/0",
            "redis_ca_file": getattr(secured.certificates, trusted),
        }
        with consuming(shop, **changes) as log:
            wait_for(log, "not ready", reason)


def test_redis_over_tls_that_is_trusted_works(secured: Secured, shop: Deployment) -> None:
    port = int(secured.redis_url.rpartition(":")[2].partition("/")[0])
    with tls_in_front(port, secured.certificates.servers["good"]) as own:
        shop.options |= {
            "redis_url": f"rediss://{HOST}:{own}/0",
            "redis_ca_file": secured.certificates.ca,
        }
        shop.run("consume", "--until-idle", 0)


def test_missing_rights_in_redis_are_named_and_granting_them_needs_no_restart(
    secured: Secured, shop: Deployment
) -> None:
    app = shop.settings.app
    with redis.Redis.from_url(secured.redis_url) as admin:
        admin.execute_command("ACL", "SETUSER", app, "on", f">{PASSWORD}", "+@all", "~other:*")
        url = secured.redis_url.replace("redis://", f"redis://{app}:{PASSWORD}@")
        with consuming(shop, redis_url=url) as log:
            wait_for(log, "not ready", "Redis refuses us")
            admin.execute_command("ACL", "SETUSER", app, f"~{{genrecast:{app}}}:*")
            wait_for(log, "this member is the forecaster")
        admin.execute_command("ACL", "DELUSER", app)
