# SPDX-License-Identifier: ISC
"""The status pages behind a token and TLS, and what they tell of messages and own domains."""
import base64
import http.client
import os
import shutil
import ssl

import pytest

from tests.lab.wait import until
from tests.scenario.test_http import PORT, page

TOKEN = "a-token-of-enough-characters"


def ask(path, tls=None, **headers):
    """(status, headers, text)"""
    kind = http.client.HTTPSConnection if tls else http.client.HTTPConnection
    connection = kind("localhost", PORT, timeout=30, **({"context": tls} if tls else {}))
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode("utf-8")
    connection.close()
    return answer.status, answer.headers, text


def holding(path, words):
    text = page(path)[1]
    return text if words in text else None


def refused(authorization):
    try:
        return ask("/", Authorization=authorization)[0] == 401
    except http.client.RemoteDisconnected:  # the server that just ended
        return False


def basic(password):
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


def token_file(relay, token):
    with open(relay.path("token"), "w", encoding="ascii") as f:
        f.write(token + "\n")
    return "token"


@pytest.fixture
def guarded(lab):
    relay = lab.relay()
    relay.write(http={"listen": f"127.0.0.1:{PORT}", "token_file": token_file(relay, TOKEN)})
    return relay.start()


def test_case_320_pages_with_a_token_are_for_who_knows_it(guarded):
    status, headers, text = ask("/")
    assert status == 401 and headers["WWW-Authenticate"].startswith("Basic ") and "token" in text
    for wrong in (f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer ", basic("x" * len(TOKEN)), basic(""), "Basic %%%",
                  TOKEN):
        assert ask("/metrics", Authorization=wrong)[0] == 401, wrong
    for right in (f"Bearer {TOKEN}", f"bearer {TOKEN}", basic(TOKEN)):
        assert ask("/", Authorization=right)[0] == 200 and ask("/metrics", Authorization=right)[0] == 200
    assert ask("/healthz")[0] == ask("/readyz")[0] == ask("/style.css")[0] == 200
    assert ask("/no-such-page")[0] == 401, "who does not know the token learns nothing"
    assert TOKEN not in guarded.ask("run", "--print-config")


def test_case_321_a_new_token_counts_at_once_and_a_bad_one_is_told(guarded):
    token_file(guarded, "another-token-of-enough-characters")
    until(lambda: refused(f"Bearer {TOKEN}"), "the old token to end")
    assert ask("/", Authorization="Bearer another-token-of-enough-characters")[0] == 200
    token_file(guarded, "short")
    alarm = guarded.wait("alarm", what="http")
    assert "fewer than 16 characters" in alarm["text"] and "go on as they were" in alarm["text"]
    assert ask("/", Authorization="Bearer another-token-of-enough-characters")[0] == 200
    assert ask("/", Authorization="Bearer short")[0] == 401


def test_case_322_pages_over_tls_follow_their_certificate(lab):
    relay = lab.relay(http={"listen": f"127.0.0.1:{PORT}", "certificate": {"chain": "chain.pem", "key": "key.pem"}}).start()
    trust = ssl.create_default_context(cafile=lab.ca.file)
    status, _, text = ask("/", tls=trust)
    assert status == 200 and "Mail is flowing" in text
    assert len(ask("/metrics", tls=trust)[2]) > 5000
    with pytest.raises((http.client.HTTPException, OSError)):
        ask("/")
    old = ssl.create_default_context(cafile=lab.ca.file)
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, OSError)):
        ask("/", tls=old)
    shutil.copy(relay.path("r1.pem"), relay.path("key.pem.new"))
    os.rename(relay.path("key.pem.new"), relay.path("key.pem"))  # of another certificate
    relay.wait("alarm", what="http")
    assert ask("/", tls=trust)[0] == 200, "the pages go on as they were"


def test_case_323_a_reload_takes_token_and_tls_on_and_off(lab):
    relay = lab.relay(http=f"127.0.0.1:{PORT}").start()
    assert ask("/")[0] == 200
    relay.write(http={"listen": f"127.0.0.1:{PORT}", "token_file": token_file(relay, TOKEN)})
    relay.ask("reload")
    assert ask("/")[0] == 401 and ask("/", Authorization=basic(TOKEN))[0] == 200
    relay.config["http"] = f"127.0.0.1:{PORT}"
    relay.write()
    relay.ask("reload")
    assert ask("/")[0] == 200


def test_the_page_of_a_message_has_its_recipients_and_the_hosts_it_met(lab):
    relay = lab.relay(http=f"127.0.0.1:{PORT}", delivery={"retry": ["1h"]}).start()
    lab.mx("mx.dest.test", domains="dest.test", tls=None)
    id = relay.send(["a@dest.test", "b@dest.test"])
    relay.wait("deferred", 2)
    text = until(lambda: holding("/message/" + id, "starttls-not-supported"), "the failure")
    for words in ("a@dest.test", "b@dest.test", "app@example.org", "mx.dest.test", "refused", "journalctl", "bytes"):
        assert words in text, words
    assert ask("/message/" + id.upper())[0] == 404


def test_the_page_of_own_domains_has_the_last_audit(lab):
    relay = lab.relay(http=f"127.0.0.1:{PORT}")
    relay.start()
    assert "not looked at yet" in page("/domains")[1] or "spf" in page("/domains")[1]
    text = until(lambda: holding("/domains", ">spf<"), "an audit")
    for words in ("example.org", "r1, e1", ">problem<", "publish", "_dmarc.example.org"):
        assert words in text, words


def test_case_329_the_page_of_logins_has_allowances_and_bans(lab):
    relay = lab.relay(http=f"127.0.0.1:{PORT}", auth={"failures": 2, "ban": "1h"}, senders=[
        {"user": "app", "from": ["example.org"], "limits": {"messages": "10/h"}},
        {"network": ["198.51.100.0/24"], "from": ["*.example.org"]}]).start()
    lab.mx("mx.dest.test", domains="dest.test")
    text = page("/logins")[1]
    for words in ("app", "10 of 10/h", "network:198.51.100.0/24", "*.example.org", "no limit", "Nobody is banned"):
        assert words in text, words
    relay.send("a@dest.test")
    assert "9 of 10/h" in page("/logins")[1]
    for _ in range(2):
        with relay.client(login=False) as client:
            client.ehlo()
            client.starttls()
            client.plain("<b>mallory</b>", "guess")
    text = until(lambda: holding("/logins", ">client<"), "a ban")
    assert "127.0.0.1" in text and "<b>mallory" not in text


def test_the_page_of_sites_has_what_taught_them(lab):
    relay = lab.relay(http=f"127.0.0.1:{PORT}", delivery={"retry": ["1h"]}).start()
    lab.mx("mx.dest.test", domains="dest.test").on("rcpt", "421 4.7.0 <i>too many connections</i>")
    assert "Nothing has been sent" in page("/sites")[1]
    relay.send("a@dest.test")
    relay.wait("deferred")
    text = until(lambda: holding("/sites", "mx.dest.test"), "the site")
    assert "connections" in text and "<i>too many" not in text
    relay.ask("pause", "mx.dest.test", "--reason", "their upgrade")
    text = until(lambda: holding("/sites", "their upgrade"), "the pause")
    assert ">paused<" in text
