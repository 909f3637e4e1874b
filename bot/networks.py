"""Where directory servers may be: names are looked up once, and judged by every address they have."""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from bot.errors import Refused, Unreachable
from bot.settings import Network

NEVER = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "169.254.0.0/16",  # link-local, and most clouds' metadata
            "168.63.129.16/32",  # Azure's
            "100.100.100.200/32",  # Alibaba Cloud's
            "192.0.0.192/32",  # Oracle Cloud's
            "224.0.0.0/3",
            "::/128",
            "fe80::/10",
            "fd00:ec2::/32",  # AWS's, over IPv6
            "ff00::/8",
        ),
    )
)
"""Where no directory server ever is, whatever the settings say."""


def addresses_of(host: str, port: int, networks: Sequence[Network]) -> list[str]:
    """Every address the host has now, all of them inside `networks`; IPv4 first, as domain controllers listen there.

    `Refused` when one lies outside or in a place no directory is ever in; `Unreachable` when the name has no address.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(
            f"The name {host} has no address here. Nothing was sent.",
            cause="no-address",
            mend="Check the spelling, and that this machine asks a DNS server that knows the name.",
        ) from error
    by_family = sorted(found, key=lambda entry: entry[0] is not socket.AF_INET)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in by_family))
    for text in addresses:
        address = ip_address(text.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if _within(address, NEVER) or not _within(address, networks):
            where = host if host == text else f"{host} ({text})"
            allowed = ", ".join(map(str, networks)) or "none"
            raise Refused(
                f"{where} lies outside the networks directories may be in ({allowed}). Nothing was sent.",
                cause="outside-networks",
                mend="If the server is meant, name its network in REKEY_DIRECTORY_NETWORKS; link-local and metadata "
                "addresses stay closed.",
            )
    return addresses


def _within(address: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)
