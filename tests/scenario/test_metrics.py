# SPDX-License-Identifier: ISC
"""Numbers for Prometheus: each moves when that happens which it counts, and promtool likes page and rules."""
import os
import re
import shutil
import subprocess
import time

import pytest

from tests.lab.relay import TREE
from tests.lab.wait import until
from tests.lab.webhook import Webhook
from tests.scenario.test_events import told
from tests.scenario.test_http import PORT, get, numbers

RULES = os.path.join(TREE, "man/examples/prometheus-rules.yml")
MANUAL = os.path.join(TREE, "man/waxwing-metrics.7")
DASHBOARD = os.path.join(TREE, "man/examples/grafana-dashboard.json")


@pytest.fixture
def mx(lab):
    return lab.mx("mx.dest.test", domains="dest.test")


@pytest.fixture
def relay(lab):
    return lab.relay(http=f"127.0.0.1:{PORT}", delivery={"retry": ["1h"]}, metrics={"logins": True}).start()


def moves(name, at_least=1):
    return until(lambda: (n := numbers()).get(name, 0) >= at_least and n, f"{name} to be {at_least}")


@pytest.mark.threads
def test_delivered_mail_moves_what_it_should(lab, mx, relay):
    before = numbers()
    assert before["waxwing_queue_oldest_timestamp_seconds"] == 0
    relay.send("a@dest.test")
    relay.wait("delivered")
    n = moves('waxwing_attempts_total{result="delivered",class="2xx"}')
    for name in ('waxwing_delivered_by_proof_total{proof="certificate"}', "waxwing_accept_duration_seconds_count",
                 "waxwing_sign_duration_seconds_count", "waxwing_delivery_delay_seconds_count",
                 "waxwing_queue_age_seconds_count", 'waxwing_delivery_delay_seconds_bucket{le="+Inf"}',
                 'waxwing_login_messages_total{login="app"}', 'waxwing_login_recipients_total{login="app"}',
                 'waxwing_listener_connections_total{listener="127.0.0.1:587"}'):
        assert n[name] - before.get(name, 0) == 1, name
    assert sum(v for k, v in n.items() if k.startswith("waxwing_sessions_by_policy_total")) == 1
    for name in ("waxwing_spool_sync_duration_seconds_count", "waxwing_dns_lookup_duration_seconds_count",
                 "waxwing_routes_cached", "waxwing_accept_duration_seconds_sum", "waxwing_queue_memory_limit_bytes"):
        assert n[name] > 0, name
    moves("waxwing_dns_cache_bytes")


def test_what_waits_has_an_age_and_takes_memory(lab, mx, relay):
    mx.on("rcpt", "451 4.7.1 later")
    relay.send("a@dest.test")
    relay.send("b@dest.test")
    n = moves('waxwing_attempts_total{result="deferred",class="4xx"}', 2)
    oldest = n["waxwing_queue_oldest_timestamp_seconds"]
    assert abs(oldest - time.time()) < 600 and n["waxwing_queue_memory_bytes"] > 0
    rows = relay.json("queue", "list")
    first = min(rows, key=lambda row: row["id"])["id"]
    relay.ask("queue", "remove", first)
    until(lambda: numbers()["waxwing_queue_oldest_timestamp_seconds"] > oldest, "the second to be the oldest")
    relay.ask("queue", "remove", "--all")
    until(lambda: numbers()["waxwing_queue_oldest_timestamp_seconds"] == 0, "an empty queue")


def test_refusals_failures_and_tls_are_counted_by_kind(lab, mx, relay):
    mx.on("rcpt", "550 5.1.1 nobody")
    relay.send("a@dest.test")
    moves('waxwing_attempts_total{result="failed",class="5xx"}')
    with relay.client() as client:
        client.expect(5, "MAIL FROM:<a@elsewhere.test>")
    n = numbers()
    assert n['waxwing_refused_by_class_total{class="5xx"}'] == 1
    assert n['waxwing_login_refused_total{login="app"}'] == 1
    lab.mx("mx.plain.test", domains="plain.test", tls=None)
    relay.send("b@plain.test")
    moves('waxwing_tls_results_total{type="starttls-not-supported",result="refused"}')


def test_bans_and_alarms_have_their_numbers(lab, mx):
    lab.names.error(".", "DNSKEY", "BOGUS")
    relay = lab.relay(http=f"127.0.0.1:{PORT}", auth={"failures": 2, "ban": "1h"}).start()
    assert numbers()["waxwing_bans"] == 0
    what = relay.wait("alarm")["what"]
    for _ in range(2):
        with relay.client(login=False) as client:
            client.ehlo()
            client.starttls()
            assert client.plain(relay.user, "wrong").code == 535
    n = moves("waxwing_bans")
    assert n["waxwing_bans_total"] >= 1
    assert n[f'waxwing_alarms_by_name_total{{what="{what}"}}'] >= 1
    by_name = {k: v for k, v in n.items() if k.startswith("waxwing_alarms_by_name_total")}
    assert sum(by_name.values()) == n["waxwing_alarms_total"]


def test_events_are_counted_and_so_is_what_waits_for_their_sink(lab, mx):
    hook = Webhook(lab)
    hook.status = 503
    relay = told(lab, hook, {"types": ["delivered"]}, http=f"127.0.0.1:{PORT}").start()
    assert numbers()["waxwing_events_total"] == 0
    relay.send("a@dest.test")
    relay.wait("delivered")
    n = moves("waxwing_events_failed_total")
    assert n["waxwing_events_sent_total"] == 0 and n["waxwing_events_waiting"] >= 1
    assert n["waxwing_events_total"] >= n["waxwing_events_written_total"] >= 1
    hook.status = 200
    n = moves("waxwing_events_sent_total")
    assert n["waxwing_events_dropped_total"] == 0
    until(lambda: numbers()["waxwing_events_waiting"] == 0, "nothing to wait for the sink")


def test_the_process_is_told(lab, relay):
    n = numbers()
    assert n["process_resident_memory_bytes"] > 1e6 and n["process_cpu_seconds_total"] > 0
    assert 10 < n["process_open_fds"] < n["process_max_fds"] and n["process_threads"] > 4
    assert abs(n["process_start_time_seconds"] - time.time()) < 600
    assert [k for k in n if k.startswith("waxwing_build_info{version=")]


def promtool(*arguments, text=None):
    tool = shutil.which("promtool")
    if not tool:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    done = subprocess.run([tool, *arguments], input=text, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_promtool_has_nothing_to_say(lab, mx, relay):
    relay.send("a@dest.test")
    relay.wait("delivered")
    assert promtool("check", "metrics", text=get("/metrics")[2]) == (0, "")


def test_promtool_takes_the_rules():
    status, text = promtool("check", "rules", RULES)
    assert status == 0, text


def test_the_manual_is_sound():
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", MANUAL], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_rules_and_dashboard_name_what_there_is(lab, mx, relay):
    relay.send("a@dest.test")
    relay.wait("delivered")
    page = get("/metrics")[2]
    there = set(re.findall(r"^([a-z_]+)(?:\{| )", page, re.M)) | set(re.findall(r"^# TYPE (\S+)", page, re.M))
    for path in (RULES, DASHBOARD):
        with open(path, encoding="utf-8") as f:
            used = set(re.findall(r"\b(?:waxwing|process)_[a-z_]+", f.read()))
        assert used and not used - there - {"waxwing_alarms_by_name_total"}, used - there


def test_every_rule_has_its_runbook_and_every_name_its_line(lab, mx, relay):
    relay.send("a@dest.test")
    relay.wait("delivered")
    with open(MANUAL, encoding="utf-8") as f:
        manual = f.read()
    with open(RULES, encoding="utf-8") as f:
        alerts = re.findall(r"- alert: (\w+)", f.read())
    assert len(alerts) > 10
    for alert in alerts:
        assert f".It Sy {alert}\n" in manual, alert
    for name in re.findall(r"^# TYPE (\S+)", get("/metrics")[2], re.M):
        assert re.search(rf"\b{name}\b", manual), name
