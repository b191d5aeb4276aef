# SPDX-License-Identifier: ISC
"""Listening sockets that the service manager opened."""
import os
import socket

from tests.lab.process import Process
from tests.lab.wait import until

# What systemd does: a socket as descriptor 3, and the process told that it is meant.
AS_SYSTEMD = ["/bin/sh", "-c", 'export LISTEN_PID=$$ LISTEN_FDS=%d; exec "$0" "$@"']


def held(lab, address):
    s = socket.socket()
    lab.at_end(s.close)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(address)
    s.listen(50)
    return s


def start(relay, *sockets):
    """The relay with these as descriptors 3 and on, as systemd would start it."""
    relay.runs += 1
    log = relay.path(f"log.{relay.runs}")
    relay.log_files.append(log)

    def hand_over():
        spare = [os.dup2(s.fileno(), 50 + i) for i, s in enumerate(sockets)]
        for i, fd in enumerate(spare):
            os.dup2(fd, 3 + i)

    relay.process = Process(AS_SYSTEMD[:2] + [AS_SYSTEMD[2] % len(sockets), relay.program, "-c", relay.file, "run"], log,
                            cwd=relay.folder, preexec_fn=hand_over, close_fds=False)
    until(lambda: relay.events("ready", run=relay.runs) or not relay.process.alive(), relay.told)
    assert relay.process.alive(), relay.told()


def greeting(port):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
        return s.recv(100)


def test_case_325_clients_wait_for_a_relay_that_restarts(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(listen=[{"address": "127.0.0.1:587"}])
    socket_of_systemd, other = held(lab, ("127.0.0.1", 587)), held(lab, ("127.0.0.1", 2599))
    start(relay, socket_of_systemd, other)
    alarm = relay.wait("alarm", what="listen")
    assert "127.0.0.1:2599" in alarm["text"]
    relay.send("a@dest.test")
    relay.wait("delivered", to="a@dest.test")
    relay.reload()
    relay.wait("reload")
    assert greeting(587).startswith(b"220 ")
    relay.stop()
    early = socket.create_connection(("127.0.0.1", 587), timeout=60)  # while nobody runs
    start(relay, socket_of_systemd)
    assert early.recv(100).startswith(b"220 ")
    early.close()
    relay.send("b@dest.test")
    relay.wait("delivered", to="b@dest.test")


def test_case_325_a_listener_that_goes_and_comes_back_is_served_again(lab):
    relay = lab.relay(listen=[{"address": "127.0.0.1:587"}, {"address": "127.0.0.1:2588"}])
    start(relay, held(lab, ("127.0.0.1", 587)))
    relay.write(listen=[{"address": "127.0.0.1:2588"}])
    relay.ask("reload")
    relay.write(listen=[{"address": "127.0.0.1:587"}, {"address": "127.0.0.1:2588"}])
    relay.ask("reload")
    assert greeting(587).startswith(b"220 ") and greeting(2588).startswith(b"220 ")


def test_descriptors_of_another_process_are_left_alone(lab):
    """LISTEN_PID of somebody else, as a child of a service may see it."""
    relay = lab.relay()
    os.environ.update(LISTEN_PID="1", LISTEN_FDS="3")
    try:
        relay.start()
    finally:
        del os.environ["LISTEN_PID"], os.environ["LISTEN_FDS"]
    assert greeting(587).startswith(b"220 ")
    relay.stop()
