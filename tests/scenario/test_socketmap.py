# SPDX-License-Identifier: ISC
"""A Postfix that delivers by itself and asks the relay for the TLS policy of each domain."""
import socket

from tests.lab.policyhost import policy
from tests.lab.relay import letter
from tests.lab.wait import until
from tests.scenario.test_dane import dane_host

PORT = 8461


class Asker:
    """Speaks socketmap as Postfix does: one connection, one question at a time."""

    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", PORT), timeout=30)
        self.file = self.socket.makefile("rb")

    def ask(self, key):
        question = f"QUERY {key}".encode()
        self.socket.sendall(b"%d:%s," % (len(question), question))
        return self.answer()

    def answer(self):
        length = b""
        while (c := self.file.read(1)) not in (b":", b""):
            length += c
        text = self.file.read(int(length))
        assert self.file.read(1) == b","
        return text.decode()


def world(lab):
    """A domain of each kind, and a relay that answers about them."""
    lab.mx("mx.sts.test", domains="sts.test")
    lab.policy_host("sts.test", body=policy("enforce", ["mx.sts.test", "*.backup.test"]))
    lab.mx("mx.plain.test", domains="plain.test")
    dane_host(lab, domain="dane.test")
    lab.names.set("null.test", "MX", "0 .")
    lab.names.set("broken.test", "MX", "10 mx.broken.test")
    return lab.relay(policy={"listen": f"127.0.0.1:{PORT}"}).start()


def test_each_kind_of_domain_has_its_answer(lab):
    world(lab)
    asker = Asker()
    assert asker.ask("sts.test") == "OK secure match=mx.sts.test:.backup.test servername=hostname"
    assert asker.ask("plain.test") == "OK encrypt"
    assert asker.ask("dane.test") == "OK dane-only"
    assert asker.ask("null.test") == "NOTFOUND "
    assert asker.ask(".sts.test") == asker.ask("[mx.sts.test]:25") == "NOTFOUND "
    assert asker.ask("PLAIN.test") == "OK encrypt"


def test_questions_that_pile_up_are_answered_in_order_and_nonsense_ends_the_connection(lab):
    world(lab)
    asker = Asker()
    asker.socket.sendall(b"14:QUERY sts.test,16:QUERY plain.test,15:QUERY .sts.test,3:foo,")
    assert [asker.answer()[:11] for _ in range(3)] == ["OK secure m", "OK encrypt", "NOTFOUND "]
    assert asker.file.read(1) == b""
    assert Asker().ask("plain.test") == "OK encrypt"


def test_a_real_postfix_follows_the_policy(lab):
    relay = world(lab)
    bad = lab.mx("mx.strict.test", domains="strict.test", tls="self-signed")
    lab.policy_host("strict.test", body=policy("enforce", ["mx.strict.test"]))
    good, plain = (lab.mx(f"mx1.{d}.test", domains=f"{d}.test") for d in ("good", "open"))
    lab.policy_host("good.test", body=policy("enforce", ["mx1.good.test"]))
    postfix = lab.postfix_client("out.example.org", relay, relayhost="", smtp_sasl_auth_enable="no",
                                 smtp_tls_security_level="may", smtp_tls_CAfile=lab.ca.file, smtp_dns_support_level="dnssec",
                                 smtp_host_lookup="dns", inet_protocols="ipv4", inet_interfaces="all",
                                 smtp_tls_policy_maps=f"socketmap:inet:127.0.0.1:{PORT}:QUERY")
    for domain in ("good", "open", "strict"):
        postfix.submit("app@example.org", [f"b@{domain}.test"], letter(to=f"b@{domain}.test"))
    good.wait()
    plain.wait()
    until(lambda: postfix.logged(r"to=<b@strict.test>.*status=deferred"), postfix.tail)
    assert postfix.logged(r"Verified TLS connection established to mx1\.good\.test")
    assert not bad.messages
    relay.stop()
    postfix.submit("app@example.org", ["c@open.test"], letter(to="c@open.test"))
    until(lambda: postfix.logged(r"to=<c@open.test>.*status=deferred"), postfix.tail)
    relay.start()
    plain.wait(2)


def test_case_192_idle_askers_keep_no_postfix_out(lab):
    world(lab)
    first = Asker()
    idle = [Asker() for _ in range(150)]
    assert idle[-1].ask("plain.test") == first.ask("plain.test") == "OK encrypt"
    idle += [Asker() for _ in range(150)]
    assert Asker().ask("dane.test") == "OK dane-only"
    assert first.ask("plain.test") == "OK encrypt"  # who asks is not quiet
