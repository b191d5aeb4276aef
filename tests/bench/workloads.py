# SPDX-License-Identifier: ISC
"""The workloads: what is sent, how both relays are set up for it, and how many messages make a measurement."""
import dataclasses

TREE_RULE = {"delivery": {"destinations": [{"domain": "*", "tls": "webpki"}]}}


@dataclasses.dataclass
class Work:
    name: str
    text: str
    messages: int                  # for Waxwing
    beside: int = 0                # for Postfix + OpenDKIM; 0: compared with `like`
    like: str = ""                 # the workload whose Postfix run stands beside this one
    load: dict = dataclasses.field(default_factory=dict)
    waxwing: dict = dataclasses.field(default_factory=dict)
    postfix: dict = dataclasses.field(default_factory=dict)
    keys: tuple = ("r1",)
    sites: int = 1
    tlsa: bool = False             # the hosts publish TLSA records (DANE-EE)
    forwarded: bool = False        # others' signed mail is handed in
    milter: bool = False           # one more OpenDKIM, which verifies, is asked
    limit: str = "rsa"             # which limit of the machine stands beside it
    quick: bool = False
    reference: bool = True
    waiting: int = 0               # so many messages for dead sites are in the queue before
    backlog: bool = False          # all of it is taken while no host answers, and then delivered
    trip: int = 0                  # milliseconds of round trip between the relay and its sites
    chunking: bool = False         # the hosts offer CHUNKING
    full: bool = False             # the hosts give no session tickets
    half: bool = False             # once more at half of the rate that was reached: how long accepting takes

    @property
    def recipients(self):
        return self.load.get("recipients", 1)


FORWARDING = {"senders": [{"user": "app", "from": ["example.org"], "forward": True}],
              "arc": {"domain": "example.org", "selector": "r1", "file": "r1.pem"}}
ONCE = {"smtp_tls_connection_reuse": "no", "smtp_connection_cache_on_demand": "no"}

ALL = [
    Work("reused", "4 KiB, reused connections, RSA-2048", 12000, 1800, quick=True, half=True),
    Work("ed25519", "4 KiB, Ed25519 alone", 16000, like="reused", keys=("e1",), limit="ed25519", quick=True),
    Work("both", "4 KiB, RSA-2048 and Ed25519", 10000, like="reused", keys=("r1", "e1")),
    Work("once", "4 KiB, one connection a message, full handshakes", 4000, 1000, quick=True,
         load={"each": 1}, limit="hops", full=True,
         waxwing={"delivery": {"connections": {"messages": 1}}, "certificate": {"tickets": False}},
         postfix={**ONCE, "smtp_tls_session_cache_database": "", "tls_ssl_options": "NO_TICKET"}),
    Work("resumed", "4 KiB, one connection a message, resumed handshakes", 5000, 1000,
         load={"each": 1, "resume": 1}, limit="resumed",
         waxwing={"delivery": {"connections": {"messages": 1}}}, postfix=ONCE),
    Work("large", "100 KiB, reused connections", 5000, 800, load={"size": 102400}, quick=True),
    Work("huge", "5 MB, reused connections", 100, 60, load={"size": 5000000, "connections": 10}, limit=""),
    Work("rcpts", "4 KiB to 50 recipients of a domain", 6000, 1000, load={"recipients": 50, "connections": 20}),
    Work("sites", "4 KiB to 100 sites", 10000, 1500, load={"sites": 100}, sites=100),
    Work("dane", "4 KiB, DANE-EE", 10000, 1500, tlsa=True,
         postfix={"smtp_tls_security_level": "dane-only", "smtp_dns_support_level": "dnssec"}),
    Work("webpki", "4 KiB, certificate and name proved (webpki)", 10000, 1500, waxwing=TREE_RULE,
         postfix={"smtp_tls_security_level": "secure", "smtp_tls_secure_cert_match": "nexthop, dot-nexthop, hostname"}),
    Work("sealed", "4 KiB of others, DKIM and ARC verified, ARC sealed", 8000, like="reused", forwarded=True,
         waxwing=FORWARDING),
    Work("verified", "4 KiB of others, DKIM and ARC verified", 10000, like="reused", forwarded=True, limit="",
         waxwing={"senders": FORWARDING["senders"]}),
    Work("milter", "4 KiB, shown to a milter (OpenDKIM verifying)", 5000, 1200, milter=True,
         waxwing={"milters": [{"name": "opendkim", "address": "127.0.0.1:8892"}]}),
    Work("trip50", "4 KiB to 2 recipients, 50 ms round trip, 20 connections", 2000, 1000, trip=50, limit="",
         load={"connections": 100, "recipients": 2}),  # several: messages overlap only where that was seen
    Work("flight50", "the same with CHUNKING, 8 in flight", 4000, like="trip50", trip=50, chunking=True, limit="",
         load={"connections": 100, "recipients": 2}, waxwing={"delivery": {"connections": {"in_flight": 8}}}),
    Work("early50", "the same with CHUNKING, one message at a time", 2000, 1000, like="trip50", trip=50, chunking=True, limit="",
         load={"connections": 100, "recipients": 2}, reference=False),
    Work("trip200", "4 KiB to 2 recipients, 200 ms round trip, 20 connections", 1000, 400, trip=200, limit="",
         load={"connections": 100, "recipients": 2}),
    # by hand
    Work("cold", "2,000 sites of which nothing is known, 50 a message (deliveries)", 40, 40, sites=2000,
         load={"sites": 2000, "recipients": 50, "spread": 1, "connections": 10}, limit="answers", reference=False),
    Work("waiting", "4 KiB, while 100,000 wait for dead sites", 12000, 1800, waiting=100000, reference=False,
         waxwing={"limits": {"queued": 2000000}}),
    Work("backlog", "a backlog of 1,000,000 messages of 1 KiB drained", 1000000, 20000, backlog=True, reference=False,
         load={"size": 1024}, waxwing={"limits": {"queued": 2000000}}),
]
BY_NAME = {w.name: w for w in ALL}
