# SPDX-License-Identifier: ISC
"""Large and many: memory stays flat, idle sessions are held."""
import os
import resource
import threading

import pytest

from tests.lab.client import Client
from tests.lab.relay import letter
from tests.lab.wait import until


def test_memory_stays_flat_while_50_mb_pass(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(limits={"message_size": "60MiB"})
    relay.asan_options = "quarantine_size_mb=1"  # else ASan keeps what was freed
    relay.start()
    relay.send("warm@dest.test")
    mx.wait()
    before = relay.memory()
    body = (b"m" * 70 + b"\r\n") * (50 * 1024 * 1024 // 72)
    relay.send("big@dest.test", letter(body=body))
    assert mx.wait(2, bound=240)[1].body() == body
    grown = relay.memory("VmHWM") - before
    assert grown < 16 * 1024 * 1024, f"{grown} bytes more"


def test_two_thousand_idle_sessions(lab):
    resource.setrlimit(resource.RLIMIT_NOFILE, (16384, 16384))
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(limits={"connections": 3000, "per_client": 3000}).start()
    sessions = [Client(relay.address, relay.port, source=f"127.0.{n % 8}.{n % 200 + 1}", greet=False)
                for n in range(2000)]
    assert all(session.reply().code == 220 for session in sessions)
    for session in sessions[::50]:
        session.ehlo()
    relay.send("a@dest.test")
    mx.wait()
    for session in sessions[::100]:
        session.expect(250, "NOOP")
    for session in sessions:
        session.close()
    until(lambda: len(os.listdir(f"/proc/{relay.process.pid}/fd")) < 200, "the ends of the sessions")


@pytest.mark.threads
def test_many_senders_and_destinations_at_once(lab):
    hosts = [lab.mx(f"mx.d{n}.test", domains=f"d{n}.test") for n in range(5)]
    relay = lab.relay(log={"level": "info"}).start()

    def send(number):
        with relay.client() as client:
            for n in range(20):
                client.envelope("app@example.org", [f"u{number}-{n}@d{(n + number) % 5}.test"])
                assert client.data(letter()).code == 250
    threads = [threading.Thread(target=send, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    until(lambda: sum(len(h.messages) for h in hosts) == 160, relay.told)
    relay.reload()
    relay.wait("reload")
    relay.stop()


def test_large_messages_arrive_once(lab):
    """The reply to BDAT may come before the relay has read the end of the body's file: it is a reply all the
    same (once taken for a lost connection, and the message was sent again)."""
    mx = lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(log={"level": "info"}).start()
    text = letter(body=(b"l" * 70 + b"\r\n") * 6000)

    def send(number):
        with relay.client() as client:
            for n in range(20):
                client.envelope("app@example.org", [f"u{number}-{n}@dest.test"])
                assert client.data(text).code == 250
    threads = [threading.Thread(target=send, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    relay.wait("delivered", 120)
    names = [m.to()[0] for m in mx.messages]
    assert len(names) == len(set(names)) == 120
