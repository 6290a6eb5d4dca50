"""Who is refused is told once, clearly, and ends where waiting is in vain; least rights suffice."""

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from consumer.broker.journal import Journal
from consumer.broker.publisher import Publisher
from consumer.broker.topic_log import TopicLog
from consumer.broker.topics import Topics
from consumer.errors import BrokerLinkRefusedError, BrokerRefusedError, BrokerUnavailableError
from contracts import kafka_client
from contracts.rights import ROLES, Right, kafka_rights, redis_rules
from contracts.settings import Settings
from state.redis_store import RedisStore
from state.store import StoreError, StoreLinkRefusedError, StoreRefusedError
from tests.deployment import (
    Deployment,
    assert_each_bucket_once_in_order,
    deployment,
    observed_per_genre,
    read_report,
)
from tests.faults.secured import Secured

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(600)]

PATIENCE_SECONDS = 120.0


def settings_of(**options: object) -> Settings:
    return Settings.model_validate(options)


@pytest.fixture
def shop(secured: Secured, tmp_path: Path) -> Iterator[Deployment]:
    """A deployment whose topics are there, made by somebody with all rights."""
    with shop_of(secured, tmp_path) as made:
        yield made


@contextmanager
def shop_of(secured: Secured, logs: Path) -> Iterator[Deployment]:
    with deployment(secured.broker.bootstrap, "redis://nowhere", logs, bucket_seconds=30) as made:
        made.make_topics()
        yield made


# --- The link: login and certificates. Nobody waits.


def refusal(attempt: Callable[[], object]) -> str:
    """Return what is said; a busy broker may have us try more than once."""
    told: list[Exception] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (told and isinstance(told[-1], BrokerLinkRefusedError | StoreLinkRefusedError)):
        assert time.monotonic() < deadline, told
        with pytest.raises((BrokerUnavailableError, BrokerRefusedError, StoreError)) as caught:
            attempt()
        told.append(caught.value)
    assert "s3cret" not in str(told)
    return str(told[-1])


@pytest.mark.parametrize(
    ("listener", "changes", "told"),
    [
        ("sasl", {"kafka_password_file": "wrong"}, "refuses the login.*GENRECAST_KAFKA_PASSWORD"),
        ("good", {"kafka_password_file": "wrong"}, "refuses the login.*GENRECAST_KAFKA_PASSWORD"),
        ("good", {"kafka_sasl_mechanism": "PLAIN"}, "GENRECAST_KAFKA_SASL_MECHANISM"),
        ("good", {"kafka_ca_file": "stranger.pem"}, "not trusted.*GENRECAST_KAFKA_CA_FILE"),
        ("expired", {}, "certificate of Kafka has expired"),
        ("elsewhere", {}, "not valid for 127.0.0.1: GENRECAST_KAFKA_BOOTSTRAP"),
        ("mutual", {}, "refuses our certificate.*GENRECAST_KAFKA_CERTIFICATE_FILE"),
        ("mutual", {"kafka_certificate_file": "expired.pem"}, "GENRECAST_KAFKA_CERTIFICATE_FILE"),
    ],
)
def test_kafka_refuses_a_link_and_the_setting_to_change_is_named(
    secured: Secured,
    monkeypatch: pytest.MonkeyPatch,
    listener: str,
    changes: dict[str, str],
    told: str,
) -> None:
    monkeypatch.setattr(kafka_client, "BOOTSTRAP_TIMEOUT_MS", 2_000)
    files = {
        name: secured.certificates.ca.parent / value if name.endswith("file") else value
        for name, value in changes.items()
    }
    settings = settings_of(**secured.kafka("shop", listener, **files))
    assert re.search(told, refusal(lambda: Topics(settings)))


def test_a_client_with_its_certificate_is_let_in(secured: Secured) -> None:
    pair = secured.certificates.pairs["good"]
    settings = settings_of(**secured.kafka("shop", "mutual", kafka_certificate_file=pair))
    topics = Topics(settings)
    topics.close()
    secured.redis.set_user("shop", redis_rules("consumer", settings, "server"))
    with secured.redis.showing("good", asks="yes"):
        opened(settings_of(**secured.redis_of("shop", redis_certificate_file=pair)))


def opened(settings: Settings) -> None:
    store = RedisStore.connect(settings)
    try:
        store.open()
    finally:
        store.close()


@pytest.mark.parametrize(
    ("shown", "asks", "changes", "told"),
    [
        ("good", "no", {"redis_password_file": "wrong"}, "login.*GENRECAST_REDIS_PASSWORD_FILE"),
        ("good", "no", {"redis_ca_file": "stranger.pem"}, "not trusted.*GENRECAST_REDIS_CA_FILE"),
        ("expired", "no", {}, "certificate of Redis has expired"),
        ("elsewhere", "no", {}, "not valid for 127.0.0.1: GENRECAST_REDIS_URL"),
        ("good", "yes", {}, "refuses our certificate.*GENRECAST_REDIS_CERTIFICATE_FILE"),
        ("good", "yes", {"redis_certificate_file": "expired.pem"}, "GENRECAST_REDIS_CERTIFICATE"),
    ],
)
def test_redis_refuses_a_link_and_the_setting_to_change_is_named(
    secured: Secured, shown: str, asks: str, changes: dict[str, str], told: str
) -> None:
    files = {name: secured.certificates.ca.parent / value for name, value in changes.items()}
    secured.redis.set_user("shop", redis_rules("consumer", Settings(), "server"))
    with secured.redis.showing(shown, asks=asks):
        settings = settings_of(**secured.redis_of("shop", **files))
        assert re.search(told, refusal(lambda: opened(settings)))


@pytest.mark.parametrize("wrong", ["kafka", "redis"])
def test_a_command_that_is_refused_ends_at_once_with_2_and_one_message(
    secured: Secured, shop: Deployment, wrong: str
) -> None:
    app = shop.settings.app
    secured.broker.add_user(app)
    secured.broker.grant(app, kafka_rights("consumer", shop.settings))
    secured.redis.set_user(app, redis_rules("consumer", shop.settings, "server"))
    shop.options |= secured.kafka(app) | secured.redis_of(app)
    shop.options[f"{wrong}_password_file"] = secured.certificates.ca.parent / "wrong"
    commands = (
        ["consume", "simulate --events 1", "feed"] if wrong == "kafka" else ["consume", "status"]
    )
    ended = [
        subprocess.Popen(
            shop.command(words.split()[0], *words.split()[1:]), stderr=subprocess.PIPE, text=True
        )
        for words in commands
    ]
    for command, process in zip(commands, ended, strict=True):
        told = process.communicate(timeout=PATIENCE_SECONDS)[1]
        assert process.returncode == 2, (command, told)
        assert told.count(f"{wrong.title()} refuses the login") == 1, told
        assert "s3cret" not in told
        assert "Traceback" not in told


# --- Rights. Who lacks one is told which, and waits: granting it needs no restart.


@contextmanager
def consuming(d: Deployment) -> Iterator[Path]:
    """Run a consumer; yields its log, which holds no secret at the end."""
    log = d.logs / f"{len(d.running)}-consume.log"
    process = d.start("consume")
    try:
        yield log
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE_SECONDS) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
    assert "s3cret" not in log.read_text()
    assert "Traceback" not in log.read_text()


def wait_for(log: Path, pattern: str) -> "re.Match[str]":
    """Wait until a log holds something; return it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := re.search(pattern, log.read_text())) is None:
        assert time.monotonic() < deadline, f"{pattern}\n{log.read_text()}"
        time.sleep(0.1)
    return found


def grant_what_is_told(secured: Secured, log: Path, user: str, wanted: list[Right]) -> None:
    """Give a user each of some rights once the log has said that what it is on is denied."""
    for name, kind in dict.fromkeys((right.name, right.resource) for right in wanted):
        wait_for(log, rf"Kafka denies our user \w+ on {kind.replace('-', ' ')} {name}: grant it")
        secured.broker.grant(user, [r for r in wanted if (r.name, r.resource) == (name, kind)])


def test_missing_rights_are_named_one_by_one_and_granting_them_needs_no_restart(
    secured: Secured, shop: Deployment
) -> None:
    settings, app = shop.settings, shop.settings.app
    shop.options |= secured.kafka(app) | secured.redis_of(app)
    wanted = kafka_rights("consumer", settings)
    order = ["forecasts", "buckets", "late", "dead_letter", "clicks"]
    topics = [
        right
        for name in order
        for right in wanted
        if right.name == getattr(settings, f"topic_{name}")
    ]
    rules = redis_rules("consumer", settings, "server")
    secured.redis.set_user(app, ["resetkeys", "-@all"])
    with consuming(shop) as log:
        grant_what_is_told(secured, log, app, topics)
        wait_for(log, r"Redis denies our user a right \(")
        secured.redis.set_user(app, [rule for rule in rules if rule not in {"+zadd", "+del"}])
        wait_for(log, r"Redis denies our user the commands \+zadd \+del:")
        secured.redis.set_user(app, rules)
        grant_what_is_told(secured, log, app, [right for right in wanted if right not in topics])
        wait_for(log, "this member is the forecaster")


def read_whole(settings: Settings, topic: str) -> None:
    with closing(TopicLog(settings, topic)) as log:
        list(log.read())


def publish_one(settings: Settings) -> None:
    with closing(Publisher(settings)) as publisher:
        publisher.publish(0, [("crime", b"{}")], b"{}")


@pytest.mark.parametrize(
    ("setting", "operation", "attempt"),
    [
        ("topic_clicks", "Read", lambda s: read_whole(s, s.topic_clicks)),
        ("topic_buckets", "Read", lambda s: Journal(s).read_tail()),
        ("topic_forecasts", "Write", publish_one),
        ("topic_buckets", "Write", publish_one),
    ],
)
def test_one_right_fewer_is_told_by_its_name(
    secured: Secured,
    shop: Deployment,
    setting: str,
    operation: str,
    attempt: Callable[[Settings], object],
) -> None:
    settings = shop.settings
    lacking = Right("topic", getattr(settings, setting), operation)  # type: ignore[arg-type]
    rights = set(kafka_rights("consumer", settings)) - {lacking}
    seen = {Right("topic", right.name, "Describe") for right in (*rights, lacking)}
    user = settings.app
    shop.options |= secured.kafka(user)
    secured.broker.grant(user, {*rights, *(r for r in seen if r.resource == "topic")})
    write(secured, shop)
    with pytest.raises(BrokerRefusedError, match=f"{operation} on topic {lacking.name}: grant it"):
        attempt(shop.settings)


def write(secured: Secured, d: Deployment) -> None:
    """Have something on the topics that are read."""
    producer = KafkaProducer(bootstrap_servers=secured.broker.bootstrap)
    try:
        for topic in (d.settings.topic_clicks, d.settings.topic_buckets):
            producer.send(topic, b"{}").get(timeout=30)
    finally:
        producer.close(timeout=5)


# --- Least rights, two deployments on one Kafka and one Redis.


def run_as(secured: Secured, d: Deployment, role: str, *arguments: object) -> str:
    """Run a role's command as a user that has the role's rights and no other."""
    before, user = d.options, f"{d.settings.app}-{role}"
    try:
        d.options = {**before, **as_user(secured, d, role, user)}
        return d.run(*arguments)  # type: ignore[arg-type]
    finally:
        d.options = before


def as_user(secured: Secured, d: Deployment, role: str, user: str) -> dict[str, Any]:
    assert role in ROLES
    options = secured.kafka(user)
    secured.broker.grant(user, kafka_rights(role, d.settings))
    rules = redis_rules(role, d.settings, "server")
    if rules:
        secured.redis.set_user(user, rules)
    return options | secured.redis_of(user)


def test_two_deployments_with_least_rights_count_exactly_and_do_not_touch_each_other(
    secured: Secured, tmp_path: Path
) -> None:
    with shop_of(secured, tmp_path / "a") as one, shop_of(secured, tmp_path / "b") as other:
        truths = {}
        for number, d in enumerate((one, other)):
            report = tmp_path / f"{number}.json"
            run_as(
                secured, d, "simulator", "simulate", "--events", 3_000 + 500 * number,
                "--seed", number, "--start", "2026-03-02T18:00", "--speed", 500, "--rate", 3_000,
                "--disorder-seconds", 5, "--late", 0.01,
                "--malformed", 0.01, "--report", report,
            )  # fmt: skip
            truths[d.settings.app] = read_report(report)
            d.options |= as_user(secured, d, "consumer", f"{d.settings.app}-consumer")
        with ThreadPoolExecutor(2) as both:
            list(both.map(Deployment.finish, (one, other)))
        for d in (one, other):
            forecasts = d.forecasts()
            truth = truths[d.settings.app]
            assert truth["is_exact"], truth
            counted = {genre: n for genre, n in truth["counted_per_genre"].items() if n}
            assert observed_per_genre(forecasts) == counted
            assert_each_bucket_once_in_order(forecasts, d.settings.bucket_ms)
        run_as(secured, other, "tools", "verify")
        run_as(secured, other, "serve", "status")
        lines = run_as(secured, other, "feed", "feed", "--from-beginning", "--until-idle", 0)
        assert len(lines.splitlines()) == len(forecasts)
        assert "s3cret" not in one.log_text() + other.log_text()
        stolen = {**secured.redis_of(f"{one.settings.app}-consumer"), "app": other.settings.app}
        with pytest.raises(StoreRefusedError, match="Redis denies our user"):
            opened(settings_of(**stolen, bucket_seconds=30))
        with pytest.raises(BrokerRefusedError, match=r"on topic"):
            Journal(
                settings_of(**{**other.options, **secured.kafka(f"{one.settings.app}-consumer")})
            ).read_tail()
