# SPDX-License-Identifier: ISC
"""The namespace: its addresses, its resolv.conf and hosts. Refuses to touch anything outside of one.

198.51.100.0/24, 203.0.113.0/24 and 2001:db8::/32 are local here as a whole, so that an actor may listen
on any of them with real ports, and an address without a listener refuses connections.
"""
import os

from tests.lab.process import must

_built = False
INSIDE = "LAB_INSIDE"
ENTER = ["unshare", "-n", "-m", "-p", "-f", "--kill-child", "--mount-proc"]


def inside():
    return os.environ.get(INSIDE) == "1"


def enter(argv):
    """Becomes argv inside a new world; does not return. Needs root."""
    os.environ[INSIDE] = "1"
    os.execvp(ENTER[0], ENTER + argv)


def build(folder):
    """Raises the interfaces and puts own files over resolv.conf and hosts; once in a namespace."""
    global _built
    if _built:
        return
    _built = True
    assert inside(), "the laboratory runs only in a namespace of its own (tests/lab/inside)"
    for command in ("ip link set lo up",
                    "ip addr replace 198.51.100.1/32 dev lo",
                    "ip -6 addr replace 2001:db8::1/128 dev lo nodad",
                    "ip route replace local 198.51.100.0/24 dev lo src 198.51.100.1",
                    "ip route replace local 203.0.113.0/24 dev lo src 198.51.100.1",
                    "ip -6 route replace local 2001:db8::/32 dev lo src 2001:db8::1"):
        must(command.split())
    with open("/proc/sys/net/ipv6/ip_nonlocal_bind", "w", encoding="ascii") as f:
        f.write("1\n")  # IPv4 needs no such thing for an address of a local route
    for path, text in (("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:2 attempts:2\n"),
                       ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")):
        ours = os.path.join(folder, os.path.basename(path))
        with open(ours, "w", encoding="ascii") as f:
            f.write(text)
        os.chmod(ours, 0o644)
        must(["mount", "--bind", ours, os.path.realpath(path)])



def assign(address):
    """For programs that listen only on addresses which an interface has (Postfix)."""
    if not address.startswith("127."):
        must(["ip", "addr", "replace", address + "/32", "dev", "lo"])
