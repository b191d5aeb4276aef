#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The status pages as people see them: a relay with a full queue and many failures, every page in headless Chromium at
three widths, light and dark. Pictures lie in FOLDER; exit 1 where a page is wider than the screen, a browser complains,
or a page takes long. Prints how long each page takes and what the relay's memory is.

usage: look.py --program WAXWING FOLDER [--queued 100000] [--failures 1000]
"""
import argparse
import os
import sys
import time
import urllib.error
import urllib.request

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, TREE)

from tests.lab import world  # noqa: E402
from tests.lab.lab import Lab  # noqa: E402
from tests.lab.relay import letter  # noqa: E402
from tests.lab.wait import until  # noqa: E402
from tests.page.browser import Browser  # noqa: E402

PORT, SLOW_S = 9587, 5
WIDTHS = ((1280, 900), (768, 1024), (390, 844))
AT = f"http://127.0.0.1:{PORT}"


def fill(lab, queued, failures):
    """A relay in which mail flows to one domain, waits for several, and TLS failed for hundreds."""
    lab.mx("mx1.good.example", domains=["good.example", "example.org"])
    busy = lab.mx("mx.busy.example", domains="busy.example")
    busy.on("rcpt", "451 4.7.1 Greylisted, please try again later; see https://busy.example/help")
    full = lab.mx("inbound.full.example", domains="full.example")
    full.on("rcpt", "452 4.2.2 The mailbox is over quota")
    plain = [f"customer{i:04}.example" for i in range(failures)]
    host = lab.mx("mx.hosting.example", tls=None)
    for domain in plain:  # each is a site of its own, so that each is tried
        lab.names.set("mx." + domain, "A", host.addresses[0])
        lab.names.add(domain, "MX", f"10 mx.{domain}.")
    lab.mx("mx.old.example", domains="old.example", tls="expired")
    lab.mx("mx.watched.example", domains="watched.example", tls=None)
    lab.names.error("broken.example", "MX", "SERVFAIL")
    lab.names.set("hop.partner.example", "A", lab.address("hop.partner.example"))  # where nobody listens
    relay = lab.relay(
        http=f"127.0.0.1:{PORT}", limits={"queued": 2 * queued + 2 * failures, "recipients": 1000},
        delivery={"retry": ["1h"], "destinations": [
            {"domain": "legacy.example", "tls": "opportunistic", "until": "2027-03-31",
             "reason": "ticket 4711, they promise STARTTLS by spring"},
            {"domain": "partner.example", "next_hop": ["[hop.partner.example]:2525"]},
            {"domain": "old.example", "tls": "webpki"}, {"domain": "watched.example", "mode": "shadow"}]},
        senders=[{"user": "app", "from": ["example.org", "*.example.org"], "limits": {"messages": "1000000/h"}},
                 {"user": "newsletter-of-the-marketing-department", "from": ["news.example.org", "campaign@example.org"],
                  "limits": {"messages": "5000/h", "recipients": "50000/h"}},
                 {"user": "postfix", "from": ["example.org", "example.net", "example.com", "shop.example.com"],
                  "forward": True},
                 {"network": ["10.20.0.0/16", "2001:db8:1234::/48"], "from": ["*.example.org"], "tls": "required"},
                 {"unix_user": "www-data", "from": ["www@example.org"]}]).start()
    for i in range(20):
        submit(relay, [f"user{i}@good.example"])
    submit(relay, ["a@old.example", "b@full.example", "c@broken.example", "d@partner.example", "e@watched.example"])
    submit(relay, [f"x@{domain}" for domain in plain])
    for part in range(queued // 1000):
        submit(relay, [f"reader{part}.{i}@busy.example" for i in range(1000)])
    for _ in range(5):  # what auth.failures allows
        guess(relay, "<b>mallory</b>")
    return relay


def guess(relay, name):
    with relay.client(login=False) as client:
        client.ehlo()
        client.starttls()
        client.plain(name, "guess")


def submit(relay, to):
    reply = relay.submit(to, letter("news@example.org", to[0]), sender="news@example.org")
    assert reply.code == 250, reply


def number(name):
    with urllib.request.urlopen(AT + "/metrics", timeout=60) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
    return 0.0


def memory(relay):
    with open(f"/proc/{relay.process.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) // 1024 for line in f if line.startswith("VmRSS"))


def pages(relay):
    waiting = relay.json("queue", "list", "--domain", "full.example")[0]["id"]
    return ["/", "/queue", f"/message/{waiting}", "/domain/busy.example", "/domain/customer0001.example", "/failures",
            "/failures?q=expired", "/failures?domain=*.example&type=starttls-not-supported&result=refused&since=1d",
            "/policies", "/exceptions", "/shadow", "/domains", "/logins", "/sites", "/?later"]


# What a reader without eyes or mouse needs: one heading of the page, landmarks, a label for each field, roles of tables.
UNSOUND = """[
  [document.querySelectorAll("h1").length === 1, "one h1"],
  [document.documentElement.lang === "en", "a language"],
  [["header", "nav", "main", "footer"].every(x => document.querySelectorAll("body > " + x + ", header " + x).length === 1), "landmarks"],
  [[...document.querySelectorAll("input, select")].every(x => x.labels.length === 1 && x.labels[0].innerText.trim()), "labels"],
  [[...document.querySelectorAll("table")].every(x => x.getAttribute("role") === "table"), "roles of tables"],
  [[...document.querySelectorAll("td")].every(x => x.dataset.label && x.getAttribute("role") === "cell"), "names of cells"],
  [[...document.querySelectorAll(".scroll")].every(x => x.scrollWidth <= x.clientWidth), "room for a table"],
  [[...document.querySelectorAll("svg")].every(x => x.ariaHidden === "true" || x.getAttribute("aria-label")), "words for pictures"],
  [new Set([...document.querySelectorAll("[id]")].map(x => x.id)).size === document.querySelectorAll("[id]").length, "ids"],
  [[...document.querySelectorAll("a, button, input, select")].every(x => { x.focus({focusVisible: true});
     return getComputedStyle(x).outlineStyle !== "none" }), "a mark for what has the focus"]
].filter(x => !x[0]).map(x => x[1]).join(", ")"""


def size_of(path):
    try:
        with urllib.request.urlopen(AT + path, timeout=60) as answer:
            return len(answer.read())
    except urllib.error.HTTPError as error:  # a page too
        return len(error.read())


def look(relay, folder):
    wrong = []
    with Browser() as browser:
        for path in pages(relay):
            began = time.monotonic()
            size = size_of(path)
            took = time.monotonic() - began
            print(f"{path:34} {took * 1000:7.0f} ms {size // 1024:6} KiB   relay {memory(relay)} MiB", flush=True)
            if took > SLOW_S:
                wrong.append(f"{path}: {took:.1f} s")
            for width, height in WIDTHS:
                for dark in (False, True):
                    browser.show(AT + path, width, height, dark)
                    wide = browser.evaluate("document.documentElement.scrollWidth")
                    if wide > width:
                        wrong.append(f"{path}: {wide} pixels wide on a screen of {width}")
                    name = path.strip("/").replace("/", "-").replace("?", "-").replace("*", "").split("&")[0].strip("-") or "overview"
                    browser.shoot(f"{folder}/{name}-{width}-{'dark' if dark else 'light'}.png")
                    lacking = browser.evaluate(UNSOUND)
                    if lacking:
                        wrong.append(f"{path} at {width}: lacks {lacking}")
        wrong += browser.complaints
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--queued", type=int, default=100000)
    parser.add_argument("--failures", type=int, default=1000)
    parser.add_argument("folder")
    args = parser.parse_args()
    os.environ["WAXWING"] = os.path.abspath(args.program)
    if not world.inside():
        world.enter([sys.executable, *sys.argv])
    os.makedirs(args.folder, exist_ok=True)
    with Lab() as lab:
        relay = fill(lab, args.queued, args.failures)
        until(lambda: number("waxwing_queued_recipients") >= args.queued and
              number("waxwing_tls_refused_total") >= args.failures * 0.9, "a full queue and many failures", 300)
        wrong = look(relay, args.folder)
    for line in wrong:
        print("wrong:", line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
