"""Whether a connection leads to this machine: a `local` deployment has no others.

Hosts are told by their names as written: no name is resolved, as it may lead elsewhere a moment later. A
second line is the process's own sockets. Belongs here: hosts, and keeping sockets from them. Does not belong
here: which hosts a URL names (`Destination.hosts`, `areas.access`).
"""

import ipaddress
import os
import sys
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, unquote

EXPECTED = "this machine: 127.0.0.1, localhost, ::1, a Unix socket or a directory"
# Set by the deployment that a process opens; an audit hook, once there, stays.
_kept = False
_hooked = False
_NO_PROXY = ("NO_PROXY", "no_proxy")


def is_here(host: str) -> bool:
    """Whether a host, as it is written, is this machine; a Unix socket's directory is."""
    name = host.strip("[]").rstrip(".").lower()
    if name.startswith(("/", "@")) or name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def elsewhere(hosts: Iterable[str]) -> str:
    """Return the first host that is not this machine; "" where all are."""
    return next((host for host in hosts if not is_here(host)), "")


def hosts_in(url: str) -> tuple[str, ...]:
    """Return the hosts of a URL without their ports, by hand: urllib takes an unescaped secret for one."""
    authority = url.partition("://")[2].partition("?")[0].rpartition("@")[2].partition("/")[0]
    return tuple(
        part.partition("]")[0] if part.startswith("[") else part.partition(":")[0]
        for part in authority.lower().split(",")
    )


def hosts_of_libpq(url: str) -> tuple[str, ...]:
    """Return where libpq goes by a URL: parameters and the environment say it as well as the host."""
    query = parse_qs(url.partition("?")[2])

    def said(parameter: str) -> str:
        return query.get(parameter, [os.environ.get(f"PG{parameter.upper()}", "")])[-1]

    named = ",".join(unquote(host) for host in hosts_in(url))
    # A service's file says the rest, and nobody here knows it.
    hosts = (
        said("service") or said("hostaddr") or query.get("host", [named])[-1] or os.environ.get("PGHOST", "")
    )
    return tuple(host or "localhost" for host in hosts.split(","))


def keep_sockets_here(*, kept: bool) -> None:
    """Have this process connect to this machine alone, and by no proxy, or no longer so."""
    global _kept, _hooked
    if kept:
        os.environ.update(dict.fromkeys(_NO_PROXY, "*"))
    elif _kept:
        for name in _NO_PROXY:
            os.environ.pop(name, None)
    _kept = kept
    if kept and not _hooked:
        sys.addaudithook(_audit)
        _hooked = True


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _kept or event not in ("socket.connect", "socket.sendto"):
        return
    address = arguments[1]
    if isinstance(address, tuple) and isinstance(address[0], str) and not is_here(address[0]):
        raise PermissionError(
            f"this deployment is `local`, and something in it connects to {address[0]}; expected {EXPECTED}"
        )
