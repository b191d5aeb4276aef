#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""The laboratory as a show: a signed DNS from its own root (Knot), MX hosts of every kind, the relay resolving
recursively, mail through it by swaks and by a Postfix with relayhost; at the end a table of what happened
and why. Exit 1 when a story did not end as it should.

usage: demo.py --program WAXWING
"""
import argparse
import os
import sys
import textwrap
import time

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, TREE)

from tests.lab import world  # noqa: E402
from tests.lab.lab import Lab  # noqa: E402
from tests.lab.mx import CLOSE, Slow  # noqa: E402
from tests.lab.policyhost import policy  # noqa: E402
from tests.lab.relay import letter  # noqa: E402
from tests.lab.wait import Bound, until  # noqa: E402

STORIES = []
LATER = []  # (domain, what has changed, the word that must end it, the change): a second letter


def story(domain, tells, expect):
    """Registers a story: what the MX of `domain` is like, and the word that must end it."""
    def register(make):
        STORIES.append((domain, tells, expect, make))
        return make
    return register


def host(lab, domain, **more):
    return lab.mx("mx." + domain, domains=domain, **more)


@story("good.example", "a certificate that checks", "delivered")
def _(lab, domain):
    host(lab, domain)


@story("selfsigned.example", "a self-signed certificate, nothing promised", "delivered")
def _(lab, domain):
    host(lab, domain, tls="self-signed")


@story("clear.example", "no STARTTLS", "deferred")
def _(lab, domain):
    host(lab, domain, tls=None)


@story("slow.example", "answers after two seconds", "delivered")
def _(lab, domain):
    host(lab, domain).on("mail", Slow("250 2.1.0 at last", delay=2))


@story("busy.example", "4xx the first time", "delivered")
def _(lab, domain):
    host(lab, domain).next("rcpt", "450 4.2.1 come back later")


@story("unknown.example", "5xx: no such user", "failed")
def _(lab, domain):
    host(lab, domain).on("rcpt", "550 5.1.1 no such user")


@story("drops.example", "closes after the final dot, once", "delivered")
def _(lab, domain):
    host(lab, domain).next("dot", CLOSE)


@story("null.example", "a null MX", "failed")
def _(lab, domain):
    lab.names.add(domain, "MX", "0 .")


@story("dane.example", "TLSA that matches a private certificate", "delivered")
def _(lab, domain):
    mx = host(lab, domain, tls="self-signed")
    lab.names.add(f"_25._tcp.mx.{domain}", "TLSA", mx.certificate.tlsa())


@story("danewrong.example", "TLSA of another key", "deferred")
def _(lab, domain):
    host(lab, domain)
    lab.names.add(f"_25._tcp.mx.{domain}", "TLSA", lab.ca.leaf("other").tlsa())


@story("danebogus.example", "TLSA whose signature does not hold", "deferred")
def _(lab, domain):
    zone = lab.names.zone(f"_tcp.mx.{domain}", bogus=True)
    mx = host(lab, domain)
    zone.add(f"_25._tcp.mx.{domain}", "TLSA", mx.certificate.tlsa())


@story("sts.example", "MTA-STS enforce, and all is well", "delivered")
def _(lab, domain):
    host(lab, domain)
    lab.policy_host(domain, body=policy(mx=["mx." + domain]))


@story("stswrong.example", "MTA-STS enforce, a certificate for another name", "deferred")
def _(lab, domain):
    host(lab, domain, tls="wrong-name")
    lab.policy_host(domain, body=policy(mx=["mx." + domain]))


@story("stsother.example", "MTA-STS enforce, and the MX is not in the policy", "deferred")
def _(lab, domain):
    host(lab, domain)
    lab.policy_host(domain, body=policy(mx=["elsewhere.example"]))


@story("stripped.example", "MTA-STS enforce; STARTTLS is stripped on the way", "deferred")
def _(lab, domain):
    mx = lab.mx("hidden." + domain)
    lab.names.add(domain, "MX", f"10 mx.{domain}.").add("mx." + domain, "A", lab.address("mx." + domain))
    lab.policy_host(domain, body=policy(mx=["mx." + domain]))
    lab.strip_proxy("mx." + domain, mx.addresses[0])


@story("cached.example", "MTA-STS enforce, and all is well", "delivered")
def _(lab, domain):
    mx, policies = host(lab, domain), lab.policy_host(domain, body=policy(mx=["mx." + domain]))

    def change():
        policies.close()
        mx.certificate = lab.certificate("self-signed", "mx." + domain)
    LATER.append((domain, "policy host down; another certificate", "deferred", change))


@story("remembered.example", "no policy, and a certificate that checks", "delivered")
def _(lab, domain):
    mx = host(lab, domain)

    def change():
        mx.certificate = lab.certificate("self-signed", "mx." + domain)
    LATER.append((domain, "less than it proved before", "deferred", change))


@story("swapped.example", "TLSA; the certificate is swapped on the way", "deferred")
def _(lab, domain):
    mx = lab.mx("hidden." + domain)
    lab.names.add(domain, "MX", f"10 mx.{domain}.").add("mx." + domain, "A", lab.address("mx." + domain))
    lab.names.add(f"_25._tcp.mx.{domain}", "TLSA", mx.certificate.tlsa())
    lab.swap_proxy("mx." + domain, mx.addresses[0], lab.certificate("untrusted", "mx." + domain))


def outcome(relay, to):
    """The last word about a recipient: (event, why)."""
    for event in ("delivered", "failed", "expired", "deferred"):
        found = relay.events(event, to=to)
        if found:
            return event, found[-1]
    return None


def why_of(relay, event, line, domain):
    refused = [e for e in relay.events("tls-refused") if e.get("domain") == domain]
    if event != "delivered" and refused:
        return f"{refused[-1]['reason']} [{refused[-1]['source']}, {refused[-1]['type']}]"
    if event == "delivered":
        return f"{line['tls']}, demand {line['demand']} ({line['source']}), proof {line['proof']}"
    return f"{line.get('status', '')} {line.get('reply') or line.get('reason', '')}"


def prepare(lab):
    zones = lab.use(lab.zones())
    for name in ("example", "example.org"):
        zones.zone(name)
    for domain, _, _, make in STORIES:
        zones.zone(domain)
        make(lab, domain)
    host(lab, "example.org")  # where the reports to our own senders go
    relay = lab.relay(dns=lab.recursive(zones), delivery={
        "retry": ["3s"], "memory": {"level": "certificate", "days": 30}})
    lab.names.set("relay.example.org", "A", "198.51.100.1")
    zones.start()
    return relay.start()


def send_all(lab, relay):
    client = lab.postfix_client("web.example.org", relay)
    for n, (domain, tells, _, _) in enumerate(STORIES):
        if n % 2:
            client.submit("app@example.org", ["someone@" + domain], letter(subject=tells))
        else:
            done = relay.swaks("someone@" + domain, "--header", "Subject: " + tells)
            assert done.returncode == 0, done.stdout


def send_later(relay):
    """The world changes, kept connections end, and each of those domains gets a second letter."""
    for _, _, _, change in LATER:
        change()
    time.sleep(3)  # longer than connections.idle
    for domain, tells, _, _ in LATER:
        done = relay.swaks("again@" + domain, "--header", "Subject: " + tells)
        assert done.returncode == 0, done.stdout


def table(relay, stories, who):
    """Prints a row for each story; how many did not end as they should."""
    wrong = 0
    print(f"\n{'message to':20} {'what the MX is like':34} {'what happened':13} why")
    for domain, tells, expect, _ in stories:
        to = f"{who}@{domain}"
        try:
            until(lambda: (outcome(relay, to) or (None,))[0] == expect, to, 60)
        except Bound:
            wrong += 1
        event, line = outcome(relay, to) or ("nothing", {})
        why = textwrap.wrap(why_of(relay, event, line, domain) if line else "", 70) or [""]
        mark = "" if event == expect else f" (not {expect}!)"
        print(f"{domain:20} {tells[:34]:34} {event + mark:13} {why[0]}")
        for more in why[1:]:
            print(" " * 69 + more)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default=os.path.join(TREE, "build/release/waxwing"))
    options = parser.parse_args()
    os.environ["WAXWING"] = os.path.abspath(options.program)
    if not world.inside():
        world.enter([sys.executable, *sys.argv])
    with Lab() as lab:
        print(f"{len(STORIES)} domains, their DNS signed from its own root; the relay resolves recursively.")
        relay = prepare(lab)
        relay.program = os.path.abspath(options.program)
        send_all(lab, relay)
        wrong = table(relay, STORIES, "someone")
        print("\nThen some things change:")
        send_later(relay)
        wrong += table(relay, LATER, "again")
        for title, argv in (("waxwing tls failures", ["tls", "failures"]),
                            ("waxwing explain danewrong.example", ["explain", "danewrong.example"])):
            done = relay.ctl(*argv)
            if done.stdout:
                print(f"\n$ {title}\n{done.stdout.rstrip()}")
    print(f"\n{len(STORIES) + len(LATER) - wrong} stories ended as they should, {wrong} did not")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
