"""Which addresses belong to the world outside: everything but a list of networks that requests must not reach.

The list is IANA's two registries of special-purpose addresses, with multicast and the IPv6 forms that carry an IPv4
address inside. `ipaddress.is_global` would not do: it says yes to NAT64 of a cloud's metadata address, to 6to4 of
loopback and to multicast.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

REFUSED_NETWORKS = [
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "::1/128",
        "::/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
]
# What the C library, and browsers, read as an IPv4 address: the last part is a number, however it is written.
NUMBER_AT_THE_END = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.*\Z", re.IGNORECASE)


def is_refused(address: str) -> bool:
    """Whether a resolved address must not be dialled. What cannot be read must not, nor what names a zone of a link."""
    found = _read(address)
    return found is None or "%" in address or any(found in network for network in REFUSED_NETWORKS)


def is_refused_host(host: str) -> bool:
    """Whether a host, as it stands in a URL, is an address that must not be dialled. Names are judged once resolved.

    An address in any other spelling than the usual one (2130706433, 0x7f.1, 127.1, 0177.0.0.1, 127.0.0.1.) is refused
    wherever it leads: programs read these differently, and nobody honest writes them.
    """
    if _read(host) is None and ":" not in host:
        return NUMBER_AT_THE_END.search(host) is not None
    return is_refused(host)


def _read(address: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(address)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
