"""Each role does its work with what `genrecast rights` prints, and with one right fewer says so.

One deployment, each part of it as a user of its own, on a broker with SCRAM, TLS and ACLs and a
Redis with TLS and ACL users. A user's rights are read off the printed lines, and it has no other.
"""

import json
import logging
import shlex
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result
from kafka import KafkaProducer

from contracts.rights import Right
from genrecast.cli import cli
from genrecast.sources import stored_offsets
from model.artifact import pack_weights, save_artifact
from tests.deployment import Deployment, deployment
from tests.faults.secured import Secured
from tests.served import PATIENCE_SECONDS, Site, start_serve, wait_for
from tests.unit.model.making import HORIZON, make_artifact

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(600)]

BUCKET_SECONDS = 30
"""No model is shipped for such buckets: the baseline publishes, and TensorFlow is rarely needed."""

START = "2026-03-02T08:00"
START_MS = 1_772_438_400_000

LARGE_BYTES = 1_000
"""What the consumer takes; two clicks are larger."""

REPLAY = "dead-letters replay"

ALLOWED = f"--max-event-bytes={4 * LARGE_BYTES}"
"""With this a replay takes them."""


@dataclass
class Shop:
    """A deployment, and users with some of the printed rights.

    Attributes:
        d: The deployment; its options lack a login.
        secured: The servers.
    """

    d: Deployment
    secured: Secured
    _users: int = 0

    def printed(self, role: str, user: str) -> tuple[list[Right], list[str]]:
        """Return a role's rights, as the command prints them: Kafka's and the rules of Redis."""
        told = self.run({}, "rights", role, "--user", user).stdout.splitlines()
        rights = [parsed(line, user) for line in told if line.startswith("kafka-acls.sh")]
        rules = [line for line in told if line.startswith("ACL SETUSER")]
        start = f"ACL SETUSER {user} on >PASSWORD "
        return rights, [word for line in rules for word in line.removeprefix(start).split()]

    def user(self, role: str, lacking: Iterable[Right | str] = ()) -> dict[str, Any]:
        """Make a user with a role's rights but for some; return the options of its login."""
        self._users += 1
        name = f"{role}-{self._users}"
        rights, rules = self.printed(role, name)
        left_out = set(lacking)
        assert left_out <= {*rights, *rules}
        options = self.secured.kafka(name) | self.secured.redis_of(name)
        self.secured.broker.grant(name, [right for right in rights if right not in left_out])
        if rules:
            self.secured.redis.set_user(name, [rule for rule in rules if rule not in left_out])
        return options

    def mend(self, user: str, role: str) -> None:
        """Give a user all that its role has."""
        rights, rules = self.printed(role, user)
        self.secured.broker.grant(user, rights)
        if rules:
            self.secured.redis.set_user(user, rules)

    def right(self, setting: str, operation: str) -> Right:
        return Right("topic", getattr(self.d.settings, f"topic_{setting}"), operation)  # type: ignore[arg-type]

    @contextmanager
    def as_user(self, login: dict[str, Any]) -> Iterator[Deployment]:
        before = self.d.options
        self.d.options = {**before, **login}
        try:
            yield self.d
        finally:
            self.d.options = before

    def run(self, login: dict[str, Any], name: str, *arguments: object) -> Result:
        """Run a command in this process: starting one for each would take most of the time."""
        with self.as_user(login) as d, nothing_left_behind():
            done = CliRunner().invoke(cli, d.command(name, *arguments)[3:])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        assert "s3cret" not in done.output
        return done

    def does(self, login: dict[str, Any], name: str, *arguments: object) -> str:
        """Run a command that works."""
        done = self.run(login, name, *arguments)
        assert done.exit_code == 0, (name, done.output)
        return done.stdout


def parsed(line: str, user: str) -> Right:
    """Return the right that a line of `kafka-acls.sh` gives."""
    words = shlex.split(line)
    assert words[words.index("--allow-principal") + 1] == f"User:{user}"
    operation: Any = words[words.index("--operation") + 1]
    resource: Any = words[-2].removeprefix("--")
    return Right(resource, words[-1], operation)


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    """Undo what a command does to the process that it believes to be its own."""
    signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    hooks = sys.excepthook, threading.excepthook
    try:
        yield
    finally:
        for number, handler in signals.items():
            signal.signal(number, handler)
        sys.excepthook, threading.excepthook = hooks
        logging.captureWarnings(capture=False)


def click(number: int, **fields: object) -> bytes:
    ids = {"event_id": f"own-{number}", "user_id": "u1", "show_id": "s1", "genres": ["crime"]}
    return orjson.dumps({**ids, "event_time": START_MS, **fields})


@pytest.fixture(scope="module")
def shop(secured: Secured, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Topics are made, clicks sent, counted and forecast, each by a user with its role's rights."""
    with deployment(
        secured.broker.bootstrap, "redis://nowhere", tmp_path_factory.mktemp("logs"),
        bucket_seconds=BUCKET_SECONDS, tastes=True, max_event_bytes=LARGE_BYTES,
        alerts="all", alert_raise_buckets=1, alert_raise_of=1, idle_timeout_seconds=1,
        horizon=HORIZON,
    ) as d:  # fmt: skip
        made = Shop(d, secured)
        made.does(made.user("setup"), "setup", "--partitions", 2)
        simulator = made.user("simulator")
        made.does(
            simulator, "simulate", "--events", 5_000, "--rate", 5_000, "--speed", 600,
            "--start", START, "--seed", 3,
        )  # fmt: skip
        send(made, [click(n, padding="x" * LARGE_BYTES) for n in range(2)])
        send(made, [click(2, action="impression", recommendation_id="r1")])
        alerts = made.right("alerts", "Write")
        with made.as_user(made.user("consumer", [alerts])):
            consume(made, lacking=alerts)
        made.does(made.user("tools"), REPLAY, "--yes", "--limit=1", ALLOWED)
        yield made
        assert "s3cret" not in d.log_text()
        assert "Traceback" not in d.log_text()


def send(shop: Shop, values: list[bytes]) -> None:
    """Write clicks as somebody with all rights."""
    producer = KafkaProducer(bootstrap_servers=shop.secured.broker.bootstrap)
    try:
        for value in values:
            producer.send(shop.d.settings.topic_clicks, value, partition=0).get(timeout=30)
    finally:
        producer.close(timeout=5)


def consume(shop: Shop, *, lacking: Right) -> None:
    """Count and publish everything; the missing right is told, and granted meanwhile."""
    consumer = shop.d.start("consume")
    wait_for(lambda: f"on topic {lacking.name}: grant it" in shop.d.log_text(), "the complaint")
    shop.mend(str(shop.d.options["kafka_username"]), "consumer")
    shop.d.finish(consumer)


# --- What each role is for, with what is printed for it.


def test_setup_made_every_topic_and_the_consumer_wrote_to_all_of_its_own(shop: Shop) -> None:
    assert "every topic is there already" in shop.does(shop.user("setup"), "setup")
    assert shop.d.forecasts()
    assert shop.d.read_topic("topic_alerts")
    assert len(shop.d.read_topic("topic_dead_letter")) == 2


def test_serve_tells_where_it_stands_and_explains(shop: Shop) -> None:
    serve = shop.user("serve")
    assert json.loads(shop.does(serve, "status", "--json"))["totals"]["counted"] > 4_000
    assert json.loads(shop.does(serve, "explain", "--genre=crime", "--json"))["causes"]


def test_a_load_test_writes_and_looks_at_what_serve_may_see(shop: Shop) -> None:
    clicks = f"{shop.d.settings.app}-load"
    with shop.as_user({"topic_clicks": clicks}):
        assert shop.does(shop.user("setup"), "setup") == f"made {clicks}\n"
        report = shop.d.logs / "load.json"
        simulator = shop.user("simulator")
        shop.does(simulator, "loadtest", "--rate=100", "--seconds=1", f"--json={report}")
        assert json.loads(report.read_bytes())["truth"]["is_exact"]
    with shop.as_user(shop.user("serve")) as d:
        assert set(stored_offsets(d.settings)()) == {0, 1}


def test_tools_check_look_and_mend(shop: Shop) -> None:
    tools = shop.user("tools")
    assert json.loads(shop.does(tools, "verify", "--json"))["is_exact"]
    assert json.loads(shop.does(tools, "loop-report", "--json"))["users"]
    assert json.loads(shop.does(tools, "dead-letters ls", "--json"))["letters"] == 2
    assert json.loads(shop.does(tools, REPLAY, ALLOWED, "--json"))["sent"] == 1
    assert "Erased." in shop.does(tools, "forget", f"--user={known_user(shop)}")
    assert "0 open buckets" in shop.does(tools, "close")
    with shop.as_user({"app": f"{shop.d.settings.app}-anew"}):
        told = shop.does(shop.user("tools"), "rebuild", "--yes", f"--since={START}")
        assert "records to read from here" in told


def known_user(shop: Shop) -> str:
    """Return somebody who has clicked."""
    (first, *_) = shop.d.read_topic("topic_clicks")
    return str(orjson.loads(first.value)["user_id"])


def test_tools_train_and_rule_the_registry(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(_histories: object, _plan: object, out: Path, _note: object) -> None:
        made = make_artifact()
        manifest = made.manifest.model_copy(update={"bucket_seconds": (BUCKET_SECONDS, 60)})
        save_artifact(out, pack_weights(made.weights), manifest)

    # Training takes long and asks nobody for anything.
    monkeypatch.setattr("model.fit.fit", fit)
    tools = shop.user("tools")
    shop.does(tools, "retrain", "--once")
    (entry,) = json.loads(shop.does(tools, "models ls", "--json"))["versions"]
    version, kept = entry["version"], tmp_path / "kept"
    shop.does(tools, "models show", version, f"--out={kept}")
    refused(shop, shop.user("tools", ["+hset"]), "+hset", "models promote", version)
    shop.does(tools, "models promote", version)
    shop.does(tools, "models rollback")
    shop.does(tools, "models retire", version)
    assert f"{version} is the candidate" in shop.does(tools, "models add", kept)


# --- One right fewer.


def refused(
    shop: Shop, login: dict[str, Any], lacking: Right | str, name: str, *arguments: object
) -> None:
    """See that a command ends with 1 and one message that names the right."""
    done = shop.run(login, name, *arguments)
    assert done.exit_code == 1, done.output
    assert done.output.count(refusal(lacking)) == 1, done.output
    assert done.output.count("denies our user") == 1, done.output


def refusal(lacking: Right | str) -> str:
    """Return what is said of a missing right."""
    if isinstance(lacking, str):
        return (
            f"Redis denies our user the commands {lacking}: give it what `genrecast rights` lists"
        )
    kind = lacking.resource.replace("-", " ")
    return (
        f"Kafka denies our user {lacking.operation} on {kind} {lacking.name}: grant it "
        "(`genrecast rights` lists them)"
    )


CASES: tuple[tuple[str, str, str], ...] = (
    ("simulator", "Write clicks", "simulate --events=1"),
    ("serve", "Read clicks", "status"),
    ("serve", "+hgetall", "status"),
    ("serve", "Read forecasts", "explain --genre=crime"),
    ("serve", "Read buckets", "explain --genre=crime"),
    ("serve", "+lrange", "explain --genre=crime"),
    ("tools", "Read late", "verify"),
    ("tools", "Read forecasts", "verify"),
    ("tools", "Read replayed", "verify"),
    ("tools", "Read recommendations", "loop-report"),
    ("tools", "Read dead_letter", "dead-letters ls"),
    ("tools", "Write replayed", f"{REPLAY} --yes {ALLOWED}"),
    ("tools", "Write clicks", f"{REPLAY} --yes {ALLOWED}"),
    ("tools", "Write replay", f"{REPLAY} --yes {ALLOWED}"),
    ("tools", "Read buckets", "rebuild --yes"),
    ("tools", "+zadd", "rebuild --yes"),
    ("tools", "+hset", "close"),
    ("tools", "+hdel", "forget --user=u2"),
    ("tools", "+get", "models ls"),
    ("tools", "Read clicks", "retrain --once --from=topic"),
    ("tools", "+lrange", "retrain --once"),
)
"""Role, the right that it lacks, the command that misses it."""


def lacked(shop: Shop, right: str) -> Right | str:
    """Return the right that a case means."""
    if right.startswith("+"):
        return right
    operation, _, name = right.partition(" ")
    if name == "replay":
        return Right("transactional-id", f"genrecast-{shop.d.settings.app}/replay", "Write")
    return shop.right(name, operation)


@pytest.mark.parametrize(("role", "right", "command"), CASES)
def test_one_right_fewer_ends_a_command_with_a_message_that_names_it(
    shop: Shop, role: str, right: str, command: str
) -> None:
    lacking = lacked(shop, right)
    login = shop.user(role, [lacking])
    name, *options = command.split(" --")
    refused(shop, login, lacking, name, *(f"--{option}" for option in options))


def test_a_rebuild_that_lacks_a_right_empties_nothing(shop: Shop) -> None:
    serve, tools = shop.user("serve"), shop.user("tools", ["+zadd"])
    before = shop.does(serve, "status", "--json")
    refused(shop, tools, "+zadd", "rebuild", "--yes")
    assert shop.does(serve, "status", "--json") == before


def test_setup_that_may_not_make_one_topic_names_it(shop: Shop) -> None:
    with shop.as_user({"topic_alerts": f"{shop.d.settings.app}-more"}):
        lacking = shop.right("alerts", "Create")
        refused(shop, shop.user("setup", [lacking]), lacking, "setup")


def test_a_replay_that_is_not_told_the_largest_record_says_so_and_goes_on(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.does(shop.user("tools", [shop.right("clicks", "DescribeConfigs")]), REPLAY, ALLOWED)
    assert f"how large a record of {shop.d.settings.topic_clicks} may be" in caplog.text
    assert "DescribeConfigs" in caplog.text


@pytest.mark.parametrize(
    "command", ["models ls", "retrain --once", "close", "forget --user=u1", "rebuild --yes"]
)
def test_a_command_whose_login_is_refused_ends_with_2_and_one_message(
    shop: Shop, command: str
) -> None:
    wrong = {"redis_password_file": shop.secured.certificates.ca.parent / "wrong"}
    name, *options = command.split(" --")
    done = shop.run(shop.user("tools") | wrong, name, *(f"--{option}" for option in options))
    assert done.exit_code == 2, done.output
    assert done.output.count("Redis refuses the login") == 1, done.output


# --- What waits for a right says which, and goes on once it is granted.


def test_a_feed_that_lacks_a_right_prints_all_once_it_is_granted(shop: Shop) -> None:
    lacking = shop.right("buckets", "Read")
    login = shop.user("feed", [lacking])
    with shop.as_user(login) as d:
        process = d.start("feed", "--from-beginning", "--until-idle=0")
    log = shop.d.logs / f"{len(shop.d.running) - 1}-feed.log"
    wait_for(lambda: refusal(lacking) in log.read_text(), "the feed's complaint")
    shop.mend(login["kafka_username"], "feed")
    assert process.wait(PATIENCE_SECONDS) == 0
    lines = [line for line in log.read_text().splitlines() if line.startswith("{")]
    assert len(lines) == len(shop.d.forecasts())
    assert log.read_text().count("denies our user") == 1


def test_serve_tells_each_right_that_it_lacks_and_works_once_they_are_granted(shop: Shop) -> None:
    lacking: list[Right | str] = [
        shop.right("clicks", "Read"),
        shop.right("dead_letter", "Read"),
        shop.right("alerts", "Read"),
        shop.right("recommendations", "Write"),
        "+hgetall",
    ]
    login = shop.user("serve", lacking)
    with shop.as_user(login) as d:
        site = start_serve(d)
    assert site.get("/v1/users/u1/recommendations").status == 200
    for right in lacking:
        wait_for(lambda right=right: refusal(right) in problem(site), f"{right}")  # type: ignore[misc]
    assert site.get("/readyz").status == 200
    shop.mend(login["kafka_username"], "serve")
    wait_for(lambda: "denies" not in problem(site), "nothing is lacked any more")
    wait_for(lambda: bool(site.get("/v1/alerts").json["recent"]), "alerts")
    wait_for(lambda: bool(pipeline(site)["dead_letters"]["reasons"]), "dead letters")
    assert pipeline(site)["status"]["totals"]["counted"]
    wait_for(lambda: bool(shop.d.read_topic("topic_recommendations")), "the answer on its topic")
    assert site.end() == 0


def pipeline(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = site.get("/v1/pipeline").json
    return found


def problem(site: Site) -> str:
    return str(pipeline(site)["problem"])


def test_no_right_of_tools_in_kafka_is_needless(shop: Shop) -> None:
    rights, _ = shop.printed("tools", "anybody")
    missed = {lacked(shop, right) for role, right, _ in CASES if role == "tools"}
    assert set(rights) - missed == {shop.right("clicks", "DescribeConfigs")}
