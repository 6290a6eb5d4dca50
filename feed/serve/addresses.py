"""Addresses of clients: what counts as one of them, and which are proxies."""

import ipaddress
from collections.abc import Sequence

IPV6_PREFIX = 64
"""Bits of an IPv6 address that tell clients apart: one is usually given a whole /64."""


def address_key(address: str) -> str:
    """Return what an address is counted under.

    >>> address_key("192.0.2.7"), address_key("2001:db8::1:2"), address_key("::ffff:192.0.2.7")
    ('192.0.2.7', '2001:db8::', '192.0.2.7')
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    network = ipaddress.ip_network((parsed.packed, IPV6_PREFIX), strict=False)
    return str(network.network_address)


class Networks:
    """Networks, as 10.0.0.0/8 or single addresses."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ipaddress.ip_network(network) for network in networks]

    def holds(self, address: str) -> bool:
        """Say whether an address is in one of them."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)
