"""Where in a network an IP address is: public, private, on this machine, or where no request of ours may go."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Literal, TypeAlias

__all__ = ["Place", "place_among"]

Place: TypeAlias = Literal["global", "private", "loopback", "never"]
"""The kind of an IP address; `never`: link-local and multicast ones, such as a cloud's metadata service
(169.254.169.254)."""

NEAREST_FIRST: tuple[Place, ...] = ("never", "loopback", "private")

HOLDS_IPV4 = (IPv6Network("::/96"), IPv6Network("64:ff9b::/96"))
"""IPv4-compatible addresses (RFC 4291), and those of NAT64 (RFC 6052): the last 32 bits are an IPv4 address."""


def place_among(addresses: Iterable[str]) -> Place:
    """The kind of a host with these addresses: if they differ, the nearest to us."""
    places = {place(ip_address(address.partition("%")[0])) for address in addresses}
    for nearest in NEAREST_FIRST:
        if nearest in places:
            return nearest
    return "global"


def place(address: IPv4Address | IPv6Address) -> Place:
    if isinstance(address, IPv6Address) and not address.is_loopback and not address.is_unspecified:
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and any(address in network for network in HOLDS_IPV4):
            inner = IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return place(inner)
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        return "never"
    if address.is_loopback:
        return "loopback"
    return "global" if address.is_global else "private"
