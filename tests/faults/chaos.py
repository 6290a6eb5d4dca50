"""Carries out a schedule's faults on a lab and its deployments."""

import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import redis

from tests.faults.lab import Lab
from tests.faults.schedule import Act
from tests.faults.spawner import Member
from tests.faults.trial import Trial

SLOW_SECONDS: Final = 0.1
"""Delay of every block on a slow link, seconds."""

MOST_CONSUMERS: Final = 6
"""No more consumers than this are added to a deployment."""


@dataclass(slots=True)
class Chaos:
    """Faults by name, over one lab and the deployments in it.

    Attributes:
        trials: The deployments, one a lane.
        wanted: Consumers that each deployment is kept at.
    """

    lab: Lab
    trials: Sequence[Trial]
    wanted: int
    done: list[Act] = field(default_factory=list)
    _frozen: dict[Act, Member] = field(default_factory=dict)

    def run(self, acts: Sequence[Act], on_act: Callable[[Act], None]) -> None:
        """Carry out every act at its time; then let everything run again."""
        began = time.monotonic()
        for act in acts:
            time.sleep(max(0.0, act.at_seconds - (time.monotonic() - began)))
            self.replace_dead()
            on_act(act)
            self.done.append(act)
            self._carry_out(act)
        self.lab.heal()
        for trial in self.trials:
            for member in trial.running():
                member.send(signal.SIGCONT)

    def replace_dead(self) -> None:
        """Start a consumer for each that is missing.

        Raises:
            AssertionError: One ended that nobody killed.
        """
        for trial in self.trials:
            for member in trial.consumers:
                # By SIGTERM itself: told to end before it could listen.
                assert member.poll() in (None, 0, -signal.SIGKILL, -signal.SIGTERM), (
                    f"pid {member.pid} ended with {member.exit_code}\n{trial.describe()}"
                )
            for _ in range(self.wanted - len(trial.running())):
                trial.consume(by_proxy=len(trial.consumers) % 2 == 0)

    def _carry_out(self, act: Act) -> None:
        name = act.name.replace("-", "_")
        if act.name in ("crash-at", "stop-at", "sleep-at"):
            self._hit_at(act)
        elif hasattr(self, f"_server_{name}"):
            getattr(self, f"_server_{name}")()
        else:
            getattr(self, f"_lane_{name}")(self.trials[act.lane], act)

    def _member(self, trial: Trial, act: Act) -> Member:
        running = trial.running()
        return running[act.member % len(running)]

    def _hit_at(self, act: Act) -> None:
        """Put a consumer with an armed seam in the place of one."""
        trial = self.trials[act.lane]
        do = {"crash-at": "kill", "stop-at": "stop", "sleep-at": "sleep:2"}[act.name]
        self._member(trial, act).send(signal.SIGTERM)
        trial.consume(seam=("--at", act.point, "--do", do), by_proxy=act.member % 2 == 0)
        if act.name == "stop-at":
            self._thaw_stopped(trial)

    def _thaw_stopped(self, trial: Trial) -> None:
        """Let members that a seam stopped earlier go on, the newest excepted."""
        for member in trial.running()[:-1]:
            if member.is_stopped() and member not in self._frozen.values():
                member.send(signal.SIGCONT)

    def _lane_kill(self, trial: Trial, act: Act) -> None:
        self._member(trial, act).kill()

    def _lane_kill_all(self, trial: Trial, _act: Act) -> None:
        for member in trial.running():
            member.kill()

    def _lane_freeze(self, trial: Trial, act: Act) -> None:
        member = self._member(trial, act)
        self._frozen[act] = member
        member.send(signal.SIGSTOP)

    def _lane_end_freeze(self, _trial: Trial, act: Act) -> None:
        for began, member in list(self._frozen.items()):
            if (began.lane, began.member) == (act.lane, act.member):
                member.send(signal.SIGCONT)
                del self._frozen[began]

    def _lane_restart(self, trial: Trial, act: Act) -> None:
        self._member(trial, act).send(signal.SIGTERM)

    def _lane_add(self, trial: Trial, _act: Act) -> None:
        if len(trial.running()) < MOST_CONSUMERS:
            trial.consume(by_proxy=True)

    def _lane_empty_state(self, trial: Trial, _act: Act) -> None:
        with suppress(redis.RedisError):
            trial.forget_state()

    def _server_forget_scripts(self) -> None:
        url = self.lab.stack.redis.url
        with suppress(redis.RedisError), redis.Redis.from_url(url, socket_timeout=2) as client:
            client.script_flush()

    def _server_lose_reply(self) -> None:
        self.lab.redis_link.loses_reply_to = lambda request: b"EVALSHA" in request

    def _server_cut_kafka(self) -> None:
        self.lab.kafka_link.cut()

    def _server_cut_redis(self) -> None:
        self.lab.redis_link.cut()

    def _server_deaf_kafka(self) -> None:
        self.lab.kafka_link.mode = "deaf"

    def _server_end_deaf_kafka(self) -> None:
        self.lab.kafka_link.heal()

    def _server_deaf_redis(self) -> None:
        self.lab.redis_link.mode = "deaf"

    def _server_end_deaf_redis(self) -> None:
        self.lab.redis_link.heal()

    def _server_slow_links(self) -> None:
        self.lab.kafka_link.delay_seconds = self.lab.redis_link.delay_seconds = SLOW_SECONDS

    def _server_end_slow_links(self) -> None:
        self.lab.kafka_link.delay_seconds = self.lab.redis_link.delay_seconds = 0.0

    def _server_crash_broker(self) -> None:
        self.lab.restart_kafka()

    def _server_stop_broker(self) -> None:
        self.lab.restart_kafka(is_crash=False)

    def _server_freeze_broker(self) -> None:
        self.lab.stack.kafka.pause()

    def _server_end_freeze_broker(self) -> None:
        self.lab.stack.kafka.resume()

    def _server_crash_redis(self) -> None:
        self.lab.restart_redis()

    def _server_freeze_redis(self) -> None:
        self.lab.stack.redis.pause()

    def _server_end_freeze_redis(self) -> None:
        self.lab.stack.redis.resume()
