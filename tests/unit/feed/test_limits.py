"""Requests per second, connections, and what an address is."""

from feed.serve.addresses import Networks, address_key
from feed.serve.guard import Admission
from feed.serve.limits import MOST_ADDRESSES, RequestRate
from tests.served import serve_settings


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_a_burst_passes_and_then_so_many_per_second() -> None:
    clock = Clock()
    rate = RequestRate(2.0, clock)
    passed = [rate.wait_seconds("a") for _ in range(21)]
    assert passed == [0.0] * 20 + [0.5]
    clock.seconds += 1.0
    assert [rate.wait_seconds("a") for _ in range(3)] == [0.0, 0.0, 0.5]


def test_addresses_do_not_take_from_one_another() -> None:
    rate = RequestRate(0.1, Clock())
    assert [rate.wait_seconds(address) for address in "aba"] == [0.0, 0.0, 10.0]


def test_addresses_that_are_remembered_are_bounded() -> None:
    rate = RequestRate(1.0, Clock())
    for number in range(MOST_ADDRESSES + 100):
        rate.wait_seconds(str(number))
    assert len(rate._tokens) == MOST_ADDRESSES


def test_connections_are_counted_in_and_out() -> None:
    settings = serve_settings(serve_max_connections=3, serve_max_connections_per_address=2)
    admission = Admission(settings, Networks(()))
    assert [admission.enter("a") for _ in range(3)] == [None, None, "address"]
    assert [admission.enter("b") for _ in range(2)] == [None, "connections"]
    admission.leave("a")
    assert admission.enter("a") is None
    assert admission.of_address == {"a": 2, "b": 1}


def test_a_proxy_may_have_all_connections() -> None:
    settings = serve_settings(serve_max_connections_per_address=1)
    admission = Admission(settings, Networks(("10.0.0.0/8",)))
    assert [admission.enter("10.1.2.3") for _ in range(3)] == [None] * 3
    assert [admission.enter("11.1.2.3") for _ in range(2)] == [None, "address"]


def test_an_ipv6_client_is_counted_by_its_network() -> None:
    assert address_key("2001:db8:0:1::5") == address_key("2001:db8:0:1:ffff::9")
    assert address_key("2001:db8:0:1::5") != address_key("2001:db8:0:2::5")
    assert address_key("no address") == "unknown"
