# SPDX-License-Identifier: ISC
"""Four relays and two servers of PostgreSQL, one of which follows the other, and takes its place: all at once."""
from tests.lab.policyhost import policy
from tests.lab.wait import until
from tests.scenario.test_fleet import node
from tests.scenario.test_fleet_kills import Pair
from tests.scenario.test_fleet_ledger import COLLECTOR, DOMAIN, counted, ended, long_ago, posted, summed
from tests.scenario.test_fleet_limits import Sender, all_know, prompt, spent
from tests.scenario.test_fleet_limits import ended as stopped
from tests.scenario.test_fleet_share import known, settled
from tests.scenario.test_tls_reports import APART, SEND, ask

HOST = "mx." + DOMAIN
LIMIT = 40


def four(lab, pair):
    senders = [{"user": "app", "from": ["example.org"], "limits": {"messages": f"{LIMIT}/d"}}]
    relays = [node(lab, n, uri=pair.uri, senders=senders, delivery=APART) for n in range(1, 5)]
    relays[0].ask("fleet", "init", "--database", pair.primary.owner)
    pair.follow()
    for relay in relays:
        relay.start()
    all_know(relays, 4)
    return relays


def test_case_680_four_relays_keep_what_they_know_and_spend_while_the_database_fails_over(lab):
    mx, collector, web = lab.mx(HOST, domains=DOMAIN), lab.collector(COLLECTOR), lab.policy_host(DOMAIN, body=policy(mx=[HOST]))
    ask(lab, DOMAIN, f"https://{COLLECTOR}/")
    pair = Pair(lab)
    relays = four(lab, pair)
    counted(relays[0], 1)
    until(lambda: all(known(r, "policies", domain=DOMAIN, mode="enforce") for r in relays), "the policy at all of them")
    settled(*relays)
    pair.fail_over()
    all_know(relays, 4)
    settled(*relays)
    assert len(web.requests) == 1
    senders = [Sender(relay) for relay in relays]
    spent(pair.primary, senders)
    taken = 1 + stopped(senders)
    until(lambda: len(mx.messages) == taken, "all that was taken")
    plan = relays[3].json("explain", DOMAIN)
    assert plan["mx"][0]["demand"] == "webpki" and plan["mx"][0]["source"] == "mta-sts", plan
    summed(relays[1], taken)
    prompt(relays)
    alone = any(r.events("alarm", why="fleet-share") for r in relays)  # on a machine so slow that an answer took a second
    assert LIMIT / 2 < taken <= (2 * LIMIT if alone else LIMIT) + 4, taken
    long_ago(pair.primary, *relays)
    for relay in relays:
        relay.write(tls_report=SEND)
        relay.start()
    ended(pair.primary, 1)
    assert len(collector.posts) == 1 and posted(collector) == (taken, 0)
