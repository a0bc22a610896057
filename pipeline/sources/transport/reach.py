"""How near a host is: no file that a public service names may lie in a private network or on this machine."""

import ipaddress
import socket
from functools import lru_cache
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PUBLIC, PRIVATE, LOOPBACK, LINK_LOCAL = range(4)
"""From far to near. Cloud machines keep credentials behind link-local addresses, so nothing is read from these."""

PRIVATE_NAMES = ("localhost", "local", "internal", "localdomain")
"""Last labels of host names that belong to no public host (RFC 6761, RFC 6762, ICANN's `internal`)."""


NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses that carry one of IPv4 (RFC 6052)."""


class PrivateAddressError(Exception):
    """A request would have ended nearer than the service that caused it."""


@lru_cache(maxsize=256)  # names and numbers: 100 KB
def reach_of_name(host: str) -> int:
    """How near a host is by its name or address, without a look-up."""
    address = _address(host)
    if address is not None:
        return reach_of_address(address)
    label = host.rstrip(".").lower().rpartition(".")[2]
    if label == "localhost":
        return LOOPBACK
    return PRIVATE if label in PRIVATE_NAMES else PUBLIC


def reach_of_address(address: Address | str) -> int:
    """How near an IP address is."""
    if isinstance(address, str):
        address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        address = _inner(address)
    if address.is_loopback:
        return LOOPBACK
    if address.is_link_local:
        return LINK_LOCAL
    return PUBLIC if address.is_global and not address.is_multicast else PRIVATE


@lru_cache(maxsize=256)  # names and numbers: 100 KB
def reach_of_service(url: str) -> int:
    """How near a service is whose address the user chose: that of its host, looked up if it has a name. Files that it
    names may be as near, but never link-local."""
    host = urlsplit(url).hostname or ""
    near = reach_of_name(host)
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        near = max(near, *(reach_of_address(str(entry[4][0])) for entry in found))
    except (OSError, UnicodeError):
        pass  # the request itself reports it
    return min(near, LOOPBACK)


def refuse_nearer(host: str, address: str, reach: int) -> None:
    """Raise PrivateAddressError for an address of a host that is nearer than allowed."""
    if reach_of_address(address) > reach:
        raise PrivateAddressError(f"{host} has a private address, but a public source named it")


def _address(host: str) -> Address | None:
    """The IP address that a host's text is, also in the short, octal and hexadecimal forms that resolvers accept."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except (OSError, ValueError):
            return None


def _inner(address: ipaddress.IPv6Address) -> Address:
    """The address of IPv4 that one of IPv6 carries, or itself."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else address
