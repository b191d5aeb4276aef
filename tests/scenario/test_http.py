# SPDX-License-Identifier: ISC
"""The status pages: health for a load balancer, numbers for Prometheus, TLS failures for people."""
import http.client
import os
import re
import resource
import signal
import socket

import pytest

from tests.lab.mx import HANG
from tests.lab.wait import until
from tests.scenario.test_socketmap import PORT as POLICY, Asker

PORT = 9587


def get(path, method="GET", port=PORT):
    """(status, headers, text)"""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path)
    answer = connection.getresponse()
    text = answer.read().decode("utf-8")
    connection.close()
    return answer.status, answer.headers, text


def numbers():
    """Every series of /metrics."""
    status, headers, text = get("/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {name: float(value) for name, value in
            (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))}


def reachable(port=PORT):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def mx(lab):
    return lab.mx("mx.dest.test", domains="dest.test")


@pytest.fixture
def relay(lab):
    return lab.relay(http=f"127.0.0.1:{PORT}", delivery={"retry": ["1h"]}).start()


@pytest.mark.threads
def test_numbers_follow_the_mail(lab, mx, relay):
    assert numbers()["waxwing_delivered_total"] == 0
    relay.send("a@dest.test")
    mx.wait()
    relay.wait("delivered")
    n = until(lambda: (n := numbers())["waxwing_queued_recipients"] == 0 and n, "an empty queue")
    assert n["waxwing_accepted_total"] == n["waxwing_delivered_total"] == 1
    assert n['waxwing_auth_total{result="ok"}'] == 1 and n["waxwing_spool_stored_total"] == 1
    assert n['waxwing_stage{stage="running"}'] == 1 and n["waxwing_spool_healthy"] == 1
    status = relay.json("status")
    assert n["waxwing_certificate_expiry_timestamp_seconds"] == status["certificate_expires"]
    assert n["waxwing_workers"] == 2


def test_health_and_what_else_is_asked(lab, relay):
    assert get("/healthz")[0] == 200 and get("/healthz")[2].splitlines()[0] == "ok"
    status, headers, text = get("/healthz", "HEAD")
    assert status == 200 and text == "" and int(headers["Content-Length"]) > 0
    status, headers, _ = get("/", "POST")
    assert status == 405 and headers["Allow"] == "GET, HEAD"
    assert get("/../etc/passwd")[0] == 404 and get("/" + "x" * 20000)[0] in (414, 431)


def page(path):
    status, headers, text = get(path)
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in headers["Content-Security-Policy"] and "<script" not in text
    assert "style=" not in text and "javascript:" not in text
    return status, text


@pytest.mark.threads
def test_the_pages_tell_what_happened_and_strangers_words_are_text(lab, mx, relay):
    assert "Mail is flowing</h1>" in page("/")[1] and "None are known" in page("/failures")[1]
    assert "The queue is empty" in page("/queue")[1] and "There are none" in page("/exceptions")[1]
    mx.on("starttls", "454 4.7.0 <script>alert(1)</script>")
    relay.send("a@dest.test")
    id = relay.wait("deferred", to="a@dest.test")["id"]
    text = page("/failures?q=DEST.test")[1]
    for words in ("mx.dest.test", "starttls-not-supported", ">refused<", "alert(1)"):
        assert words in text, words
    assert "None match" in page("/failures?q=elsewhere")[1]
    assert page("/failures?q=%22%3E%3Cb%3E")[1].count("&quot;&gt;&lt;b&gt;") == 1
    assert "Mail waits for dest.test" in page("/")[1]
    status, text = page("/domain/dest.test")
    assert status == 200 and "mx.dest.test" in text and "encrypt" in text and id in text
    status, text = page("/message/" + id)
    assert status == 200 and "a@dest.test" in text and "waiting" in text
    assert numbers()["waxwing_tls_refused_total"] >= 1


def test_what_is_not_there_is_not_found(lab, relay):
    assert page("/message/0cr9qxqpqjcr0")[0] == 404
    assert page("/message/nonsense")[0] in (200, 404) and get("/message/")[0] == 404
    assert get("/domain/..")[0] == 404 and get("/domain/%ff")[0] == 404
    assert get("/style.css")[1]["Content-Type"].startswith("text/css")


def test_masked_addresses_are_masked_on_the_page(lab, mx):
    relay = lab.relay(http=f"127.0.0.1:{PORT}", log={"mask": True}, delivery={"retry": ["1h"]}).start()
    mx.on("rcpt", "451 4.7.1 later")
    relay.send("secret.person@dest.test")
    relay.wait("deferred")
    text = page("/queue")[1]
    assert "…@dest.test" in text and "secret.person" not in text


def test_protection_is_counted_by_what_was_proved(lab, mx, relay):
    lab.mx("mx.clear.test", domains="clear.test", tls=None)
    relay.write(delivery={"destinations": [{"domain": "clear.test", "tls": "opportunistic", "until": "never",
                                            "reason": "a test"}]})
    relay.ask("reload")
    for to in ("a@dest.test", "b@clear.test"):
        relay.send(to)
        relay.wait("delivered", to=to)
    text = page("/")[1]
    assert "in clear 1 " in text and "certificate proved 1 " in text and "only encrypted 0 " in text
    assert "a test" in page("/exceptions")[1] and "never" in page("/exceptions")[1]


def test_a_failed_self_check_is_told(lab):
    lab.names.error(".", "DNSKEY", "BOGUS")
    lab.relay(http=f"127.0.0.1:{PORT}").start()
    until(lambda: numbers()["waxwing_dns_self_check_failed"] == 1, "the self-check")
    status, _, text = get("/healthz")
    assert status == 200 and re.search(r"^warning: DNSSEC validation does not work: \S", text, re.M)


def test_a_relay_that_drains_is_alive_and_not_ready(lab, mx, relay):
    assert get("/readyz")[0] == 200 and get("/readyz")[2] == "ok\n"
    mx.on("mail", HANG)
    relay.send("a@dest.test")
    relay.ask("drain")
    status, _, text = get("/readyz")
    assert status == 503 and "draining" in text and len(text.splitlines()) == 1
    assert get("/healthz")[0] == 200 and "draining" in get("/healthz")[2]


def asked_as(host, path="/"):
    """The status of the answer to a request for this Host."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
    connection.request("GET", path, headers={"Host": host})
    status = connection.getresponse().status
    connection.close()
    return status


def test_case_136_pages_are_read_under_our_own_names_alone(lab, relay):
    for host in ("127.0.0.1", f"127.0.0.1:{PORT}", "[::1]:80", "localhost", "LOCALHOST:9587", "relay.example.org",
                 "relay.example.org.:9587"):
        assert asked_as(host) == 200, host
    for host in ("evil.example", "evil.example:9587", "127.0.0.1.evil.example", "localhost.evil.example",
                 "[::1].evil.example", "xrelay.example.org", "[evil]", "monitor.lan"):
        assert asked_as(host) == 421 and asked_as(host, "/metrics") == 421, host
        assert asked_as(host, "/healthz") == 200 and asked_as(host, "/readyz") == 200
    relay.write(http_names=["monitor.lan"])
    relay.ask("reload")
    assert asked_as("monitor.lan:9587") == 200 and asked_as("evil.example") == 421


def test_case_137_idle_connections_keep_nobody_from_asking(lab, relay):
    idle = [socket.create_connection(("127.0.0.1", PORT)) for _ in range(300)]
    for s in idle[:100]:
        s.sendall(b"GET /heal")
    for _ in range(20):
        assert get("/healthz")[0] == 200
    for s in idle:
        s.close()


def test_case_137_idle_questions_keep_nobody_from_asking(lab, relay):
    idle = []
    for n in range(300):
        s = socket.socket(socket.AF_UNIX)
        s.connect(relay.path("control.sock"))
        if n % 2:
            s.sendall(b'{"verb":')
        idle.append(s)
    relay.ask("status")
    idle[-1].settimeout(60)
    try:
        assert idle[-1].recv(1) == b""  # whoever asks nothing is not waited for
    except ConnectionResetError:
        pass


def test_case_190_more_idle_connections_than_are_held_keep_nobody_out(lab, relay):
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    idle = [socket.create_connection(("127.0.0.1", PORT)) for _ in range(1300)]
    for s in idle[-50:]:
        s.sendall(b"GET /heal")
    for _ in range(20):
        assert get("/healthz")[0] == 200
    for s in idle:
        s.close()
    assert get("/healthz")[0] == 200


def test_case_190_idle_connections_keep_nobody_out_where_descriptors_are_short(lab):
    lab.mx("mx.dest.test", domains="dest.test")
    relay = lab.relay(http=f"127.0.0.1:{PORT}", policy={"listen": f"127.0.0.1:{POLICY}"}).start()
    in_use = len(os.listdir(f"/proc/{relay.process.pid}/fd"))
    resource.prlimit(relay.process.pid, resource.RLIMIT_NOFILE, (in_use + 30, in_use + 30))
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(60) for port in (PORT, POLICY)]
    relay.wait("alarm", what="accept")
    for _ in range(10):
        assert get("/healthz")[0] == 200 and Asker().ask("dest.test").startswith("OK ")
    assert relay.ask("health") == "ready\n"
    for s in idle:
        s.close()


def test_case_190_a_relay_that_hangs_is_not_healthy(lab, relay):
    relay.process.send(signal.SIGSTOP)
    done = relay.ctl("health")
    assert done.returncode == 75 and "timed out" in done.stderr, done
    relay.process.send(signal.SIGCONT)
    assert relay.ask("health") == "ready\n"


def test_case_191_who_does_not_read_a_long_answer_keeps_nobody_from_asking(lab, relay):
    lab.mx("mx.dest.test", domains="dest.test").on("rcpt", "450 4.2.1 wait")
    for _ in range(5):
        relay.send([f"{'x' * 60}.{n}@dest.test" for n in range(1000)])
    stalled = []
    for _ in range(80):
        s = socket.socket(socket.AF_UNIX)
        s.connect(relay.path("control.sock"))
        s.sendall(b'{"verb":"queue-list"}\n')
        assert b'"from"' in s.recv(100)
        stalled.append(s)
    assert relay.json("status")["counters"]["queued"] == 5000
    assert len(relay.json("queue", "list")) == 5000
    for s in stalled:
        s.close()
    relay.ask("status")


@pytest.mark.threads
def test_questions_under_way_do_not_hinder_the_end(lab, relay):
    idle = [socket.create_connection(("127.0.0.1", PORT)) for _ in range(40)]
    for s in idle[:20]:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
    relay.stop()
    assert not reachable()
    for s in idle:
        s.close()


def test_a_taken_address_is_an_alarm_and_mail_goes_on(lab, mx):
    with socket.create_server(("127.0.0.1", PORT)):
        relay = lab.relay(http=f"127.0.0.1:{PORT}").start()
        assert f"127.0.0.1:{PORT}" in relay.wait("alarm", what="http")["text"]
        relay.send("a@dest.test")
        mx.wait()
        assert relay.json("status")["counters"]["alarms"] >= 1
    relay.ask("reload")
    assert get("/healthz")[0] == 200


def test_reload_moves_and_closes_the_pages(lab, relay):
    relay.write(http="127.0.0.1:9588")
    relay.ask("reload")
    until(lambda: reachable(9588) and not reachable(), "the new address")
    assert get("/healthz", port=9588)[0] == 200
    relay.write(http="")
    relay.ask("reload")
    until(lambda: not reachable(9588), "silence")


def test_a_low_port_is_bound_before_privileges_go(lab):
    relay = lab.relay(http="127.0.0.1:80", user="daemon")
    os.system(f"chown -R daemon {relay.folder}")
    relay.start()
    assert get("/metrics", port=80)[0] == 200
