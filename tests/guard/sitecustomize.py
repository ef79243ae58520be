"""Refuse the network in this process. Python imports this file by itself where its folder is on PYTHONPATH.

tests/conftest.py puts it there, so the wall stands in the tests, in their subprocesses and in the kernels
that they start. Loopback and Unix sockets stay open: Jupyter needs them. What is refused raises an OSError,
as an unplugged cable would, so that code which asks "is there a network?" gets its true answer.
"""

import ipaddress
import socket

_connect, _connect_ex = socket.socket.connect, socket.socket.connect_ex
_sendto, _getaddrinfo = socket.socket.sendto, socket.getaddrinfo


class NetworkRefused(OSError):
    """A test tried to leave this machine."""


def is_local(host):
    """Whether an address or name means this machine: loopback, the unspecified address, or no host at all."""
    host = host.decode() if isinstance(host, bytes) else host
    if not host or host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host == socket.gethostname()
    return address.is_loopback or address.is_unspecified


def refuse_distant(family, address):
    if family in (socket.AF_INET, socket.AF_INET6) and not is_local(address[0]):
        raise NetworkRefused(f"tests use no network, but something connects to {address}")


def connect(self, address):
    refuse_distant(self.family, address)
    return _connect(self, address)


def connect_ex(self, address):
    refuse_distant(self.family, address)
    return _connect_ex(self, address)


def sendto(self, data, *rest):
    refuse_distant(self.family, rest[-1])
    return _sendto(self, data, *rest)


def getaddrinfo(host, *rest, **options):
    if not is_local(host):
        raise NetworkRefused(f"tests use no network, but something looks up {host!r}")
    return _getaddrinfo(host, *rest, **options)


socket.socket.connect, socket.socket.connect_ex = connect, connect_ex
socket.socket.sendto, socket.getaddrinfo = sendto, getaddrinfo
