# SPDX-License-Identifier: ISC
"""Two faults of the world outside at once, and a restart in the middle (cases 180-189)."""
from tests.lab.mx import CLOSE
from tests.lab.policyhost import policy
from tests.lab.wait import until


def strict(lab, domain="dest.test", host=None, tls="good", mode="enforce", patterns=None, **more):
    host = host or "mx." + domain
    mx = lab.mx(host, tls=tls, domains=domain, **more)
    return mx, lab.policy_host(domain, id="1", body=policy(mode, patterns or [host]))


def test_case_180_requiretls_ends_after_the_second_look(lab):
    """The host is proved by policy and shows another certificate: looked into at once, once more after ten
    seconds, and then the sender is told (RFC 8689 4.2.1)."""
    mx, _ = strict(lab, tls="self-signed")
    mx.extensions.append("REQUIRETLS")
    senders = [{"user": "app", "from": ["example.org"], "require_tls": True},
               {"network": ["127.0.0.1"], "from": ["example.org"]}]
    relay = lab.relay(senders=senders, delivery={"retry": ["1h"]}).start()
    relay.send("a@dest.test")
    relay.wait("failed", to="a@dest.test")
    assert not mx.seen and len(relay.events("deferred")) == 1
