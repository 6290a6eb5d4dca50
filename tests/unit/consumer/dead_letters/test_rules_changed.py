"""What counts when the rules have changed, a letter was sent again, and then Redis is lost.

clicks   0: too large, a letter   1: the same, sent again once larger events were allowed
"""

import pytest

from contracts.settings import Settings
from tests.contract.test_stores import A, settings_for
from tests.unit.consumer.making import World, click, make_world

LARGE = click(1_000)


def world_with_a_letter_sent_again(**rules: object) -> World:
    """A member under the new rules; the bucket of both records is open, and the second counts."""
    strict = make_world(0, max_event_bytes=len(LARGE) - 1, dead_letter_max_ratio=1, **rules)
    strict.step()
    strict.log.write(0, LARGE)
    strict.step()
    assert strict.clicks() == {}
    assert [offset for _, offset, _ in strict.side.dead_letters] == [0]
    world = member_of(strict, settings_for(dead_letter_max_ratio=1, **rules))
    world.log.write(0, LARGE)
    world.step(2)
    assert world.clicks() == {(A, "crime"): 1}
    return world


def member_of(before: World, settings: Settings) -> World:
    """Start anew with other settings, on the same log and store."""
    before.log.unplaced = before.log.owned
    return World(settings, before.steps, before.log, before.store, before.side)


def lose_redis(world: World) -> None:
    """Before any bucket was published there is no journal: all of the log is read again."""
    world.store.wipe()
    world.store.open()
    world.step(3)


def test_a_letter_sent_again_counts_twice_when_redis_is_lost_before_its_bucket_is_published() -> (
    None
):
    world = world_with_a_letter_sent_again()
    lose_redis(world)
    assert world.clicks() == {(A, "crime"): 2}, "docs/dead-letters.md says so, under Limits"


def test_with_dedup_it_counts_once() -> None:
    world = world_with_a_letter_sent_again(dedup=True)
    lose_redis(world)
    assert world.clicks() == {(A, "crime"): 1}


@pytest.mark.parametrize("dedup", [False, True])
def test_under_the_rules_of_its_time_a_letter_is_one_again(*, dedup: bool) -> None:
    world = world_with_a_letter_sent_again(dedup=dedup)
    strict = settings_for(max_event_bytes=len(LARGE) - 1, dead_letter_max_ratio=1, dedup=dedup)
    world = member_of(world, strict)
    lose_redis(world)
    assert world.clicks() == {}
