# SPDX-License-Identifier: ISC
"""The status pages behind a token and TLS, and what they tell of messages and own domains."""
import base64
import datetime
import http.client
import os
import re
import shutil
import ssl

import pytest

from tests.lab.relay import TREE
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


def failing(lab, names):
    """A relay that met MX hosts without STARTTLS, in enforcing and in shadow mode."""
    relay = lab.relay(http=f"127.0.0.1:{PORT}", delivery={"retry": ["1h"], "destinations": [
        {"domain": "shadow.test", "mode": "shadow"}]}).start()
    for name in names:
        lab.mx("mx." + name, domains=name, tls=None)
    relay.send(["a@" + name for name in names])
    relay.wait("deferred", len(names) - 1)
    relay.wait("delivered")
    return relay


def test_case_430_failures_are_chosen_by_a_form_that_a_bookmark_keeps(lab):
    failing(lab, ["one.test", "two.test", "shadow.test"])
    text = until(lambda: holding("/failures", "mx.shadow.test"), "the failures")
    assert "mx.one.test" in text and "would have been refused" in text and "Show all" not in text
    found = {
        "domain=ONE.test": "one", "host=mx.two.test": "two", "domain=*.test&host=*.one.test": "one", "result=shadow": "shadow",
        "result=refused&q=two.TEST": "two", "type=starttls-not-supported&domain=one.test&since=1h": "one",
        "policy=no-policy-found&domain=two.test&day=" + datetime.datetime.utcnow().strftime("%Y-%m-%d"): "two"}
    for arguments, name in found.items():
        status, text = page("/failures?" + arguments)
        rows = text.split("<tbody")[1]
        assert status == 200 and f"mx.{name}.test" in rows and rows.count("<tr") == 1, (arguments, rows)
        assert "Show all" in text
    assert 'value="*.test"' in page("/failures?domain=*.test")[1]
    assert re.search(r'value="1d" selected', page("/failures?since=1d")[1])
    for nothing in ("type=certificate-expired", "policy=tlsa", "day=2020-02-29", "result=went-on", "since=0"):
        assert "None match" in page("/failures?" + nothing)[1], nothing
    for wrong, words in {"type=nonsense": "no result type", "result=x": "refused, shadow, went-on", "policy=x": "tlsa, sts",
                         "day=yesterday": "as in 2026-11-21", "since=%3Cb%3E": "&lt;b&gt;", "domain=a%20b": "a b",
                         "host=%22%3E%3Ci%3E": "&quot;&gt;&lt;i&gt;", "q=" + "x" * 300: "longer than 253"}.items():
        status, text = page("/failures?" + wrong)
        assert status == 400 and words in text and "<form" in text and "<i>" not in text, wrong
    assert page("/failures?q=%ff%00")[0] in (200, 400)


def test_case_431_the_page_of_a_message_has_the_recipients_of_every_worker(lab):
    relay = lab.relay(http=f"127.0.0.1:{PORT}", delivery={"retry": ["1h"]}, workers=4).start()
    names = [f"dest{i}.test" for i in range(12)]  # whose sites the workers share
    for name in names:
        lab.names.set("mx." + name, "A", lab.address("mx." + name))  # where nobody listens
        lab.names.add(name, "MX", f"10 mx.{name}.")
    id = relay.send(["a@" + name for name in names])
    relay.wait("deferred", len(names))
    text = page("/message/" + id)[1]
    assert all("a@" + name in text for name in names)
    assert all("a@" + name in page("/queue")[1] for name in names)
    assert f'href="/message/{id}"' not in text and f'href="/message/{id}"' in page("/queue")[1]  # its head names it


def test_case_432_the_first_page_says_whose_it_is_to_mend_and_since_when(lab):
    relay = lab.relay(http=f"127.0.0.1:{PORT}", delivery={"retry": ["1h"], "destinations": [
        {"domain": "hop.test", "next_hop": ["[hop.hop.test]:2525"]}]}).start()
    lab.mx("mx.good.test", domains="good.test")
    assert "<h1>Mail is flowing</h1>" in page("/")[1] and "Nothing has been delivered" in page("/")[1]
    relay.send("a@good.test")
    relay.wait("delivered")
    assert "The last delivery was just now" in page("/")[1]
    assert "1 message accepted, 0 refusals" in page("/")[1]
    with relay.client() as client:
        assert client.cmd("MAIL FROM:<stranger@else.test>").code // 100 == 5
    assert "1 message accepted, 1 refusal." in page("/")[1]
    lab.mx("mx.grey.test", domains="grey.test").on("rcpt", "451 4.7.1 <b>Greylisted</b>")
    lab.mx("mx.plain.test", domains="plain.test", tls=None)
    lab.names.error("broken.test", "MX", "SERVFAIL")
    lab.names.set("hop.hop.test", "A", lab.address("hop.hop.test"))
    relay.send(["a@grey.test", "a@plain.test", "b@plain.test", "a@broken.test", "a@hop.test"])
    relay.wait("deferred", 5)
    text = page("/")[1]
    head = text.split("</section>")[0]
    assert "Mail is flowing, but not to 4 domains" in head, head
    for words in ("The postmaster of the receiving host</strong> <span>2 domains, 3 recipients, the oldest <time",
                  "Whoever runs the DNS of the receiving domain</strong> <span>1 domain, 1 recipient",
                  "Nobody: it heals</strong> <span>1 domain, 1 recipient"):
        assert words in head, (words, head)
    for words in ("for the postmaster of the receiving host · starttls-not-offered", "Wrong here, although mail goes on",
                  "the next hop hop.hop.test:2525 is passed over"):
        assert words in text, words
    assert "<b>Grey" not in text


def luminance(colour):
    digits = colour.lstrip("#")
    digits = "".join(c * 2 for c in digits) if len(digits) == 3 else digits
    parts = [int(digits[i:i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_case_433_every_colour_of_text_stands_out_in_light_and_dark():
    with open(os.path.join(TREE, "relay/http/style.css"), encoding="utf-8") as f:
        themes = [dict(re.findall(r"--([\w-]+): (#\w+)", theme)) for theme in re.findall(r":root \{(.*?)\}", f.read(), re.S)]
    assert len(themes) == 2
    for theme in themes:
        grounds = {"paper": ("ink", "soft", "link"), "card": ("ink", "soft", "link"), "line": ("ink",), "link": ("card",),
                   "good-soft": ("good", "ink", "soft", "link"), "wait-soft": ("wait", "ink", "soft", "link"),
                   "bad-soft": ("bad", "ink", "soft", "link")}
        for ground, texts in grounds.items():
            for text in texts:
                assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground, theme[text], theme[ground])
        assert contrast(theme["plain"], theme["card"]) >= 3, "the edge of what can be filled in"
