# SPDX-License-Identifier: ISC
"""Recursive mode from a root of our own: what is secure, insecure, bogus, absent and dead is told apart.

The program here is `lookup` (tests/bench/lookup.c), which asks as the relay does and prints what it learned.
"""
import os
import re
import subprocess
import time

import pytest

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROW = re.compile(r"(\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\d+) (\d+) # (.*)")


def program():
    beside = os.path.dirname(os.environ.get("WAXWING", os.path.join(TREE, "build/dev/waxwing")))
    path = os.path.join(beside, "tests/lookup")
    if not os.path.exists(path):
        pytest.skip("tests/lookup is not built")
    return path


def look(zones, *questions, anchor=None):
    """{(name, type): (outcome, proof, canonical, alias, why)} and the line about the self-check."""
    done = subprocess.run([program(), "--trust-anchor", anchor or zones.trust_anchor, "--root-hints",
                           zones.root_hints, *questions], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = [ROW.match(line) for line in done.stdout.splitlines()]
    told = {(m[1], m[2]): (m[3], m[4], m[5], m[6], m[9]) for m in rows if m}
    return told, next(line for line in done.stdout.splitlines() if line.startswith("health"))


def a_small_world(lab):
    zones = lab.zones()
    zones.zone("example")
    zones.zone("good.example")
    zones.zone("plain.example", signed=False)
    zones.zone("liar.example", bogus=True)
    zones.zone("dead.example", server="198.51.100.99")
    zones.add("good.example", "MX", "10 mx.good.example.")
    zones.add("mx.good.example", "A", "198.51.100.10")
    zones.add("_25._tcp.mx.good.example", "CNAME", "tlsa.good.example.")
    zones.add("tlsa.good.example", "TLSA", "3 1 1 " + 32 * "ab")
    zones.add("host.good.example", "CNAME", "host.plain.example.")
    zones.add("host.plain.example", "A", "198.51.100.11")
    zones.add("back.plain.example", "CNAME", "mx.good.example.")
    zones.add("liar.example", "MX", "10 mx.liar.example.")
    zones.add("host2.good.example", "CNAME", "mx.liar.example.")
    zones.add("mx.liar.example", "A", "198.51.100.12")
    return zones.start()


def test_each_answer_has_its_proof(lab):
    zones = a_small_world(lab)
    told, health = look(zones, "good.example/MX", "mx.good.example/A", "mx.good.example/AAAA",
                        "_25._tcp.mx.good.example/TLSA", "nowhere.good.example/A", "host.good.example/A",
                        "host.plain.example/A", "nowhere.plain.example/A", "back.plain.example/A",
                        "liar.example/MX", "nowhere.liar.example/A", "host2.good.example/A",
                        "nowhere.nowhere/MX", "./DNSKEY", "mx.dead.example/A")
    assert health.startswith("health ok"), health
    assert {k: v[:2] for k, v in told.items()} == {
        ("good.example", "MX"): ("found", "secure"),
        ("mx.good.example", "A"): ("found", "secure"),
        ("mx.good.example", "AAAA"): ("nodata", "secure"),
        ("_25._tcp.mx.good.example", "TLSA"): ("found", "secure"),
        ("nowhere.good.example", "A"): ("nxdomain", "secure"),
        ("host.good.example", "A"): ("found", "insecure"),
        ("host.plain.example", "A"): ("found", "insecure"),
        ("nowhere.plain.example", "A"): ("nxdomain", "insecure"),
        ("back.plain.example", "A"): ("found", "insecure"),
        ("liar.example", "MX"): ("failed", "bogus"),
        ("nowhere.liar.example", "A"): ("failed", "bogus"),
        ("host2.good.example", "A"): ("failed", "bogus"),
        ("nowhere.nowhere", "MX"): ("nxdomain", "secure"),
        (".", "DNSKEY"): ("found", "secure"),
        ("mx.dead.example", "A"): ("failed", "failed"),
    }
    # Case 25: a secure alias into an unsigned zone is told as that, the other way round is not.
    assert told["host.good.example", "A"][2:4] == ("host.plain.example", "secure-alias")
    assert told["back.plain.example", "A"][2:4] == ("mx.good.example", "alias")
    assert told["_25._tcp.mx.good.example", "TLSA"][2:4] == ("tlsa.good.example", "secure-alias")
    assert "bogus" in told["liar.example", "MX"][4]


def test_a_trust_anchor_that_is_out_of_date_is_told_as_that(lab):
    zones = a_small_world(lab)
    old = lab.file("old.key", ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n")
    told, health = look(zones, "good.example/MX", anchor=old)
    assert told["good.example", "MX"][:2] == ("failed", "bogus")
    assert re.search(r"health broken # .*old\.key may be out of date \(keys 20326\)", health), health


def test_a_trust_anchor_is_read_anew_when_it_changes(lab):
    zones = a_small_world(lab)
    path = lab.file("root.key", ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n")
    argv = [program(), "--trust-anchor", path, "--root-hints", zones.root_hints, "--again", "good.example/MX"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        row, health, _ = (child.stdout.readline() for _ in range(3))
        assert " failed bogus " in row and health.startswith("health broken")
        with open(zones.trust_anchor, encoding="ascii") as new, open(path, "w", encoding="ascii") as f:
            f.write(new.read())
        for _ in range(60):
            time.sleep(0.5)
            child.stdin.write("again\n")
            child.stdin.flush()
            row, health, _ = (child.stdout.readline() for _ in range(3))
            if " found secure " in row and health.startswith("health ok"):
                break
        child.stdin.close()
    assert " found secure " in row and health.startswith("health ok"), (row, health)


def test_dead_zones_brake_only_themselves(lab):
    zones = lab.zones()
    zones.zone("example")
    for i in range(40):
        zones.zone(f"dead{i}.example", signed=False, server="198.51.100.99")
    zones.add("alive.example", "A", "198.51.100.10")
    for i in range(200):
        zones.add(f"n{i}.example", "A", "198.51.100.10")
    zones.start()
    questions = [f"h{j}.dead{i}.example/A" for j in range(10) for i in range(40)]
    told, _ = look(zones, *questions, *[f"n{i}.example/A" for i in range(200)])
    assert all(told[f"n{i}.example", "A"][0] == "found" for i in range(200))
    assert all(told[q[:-2], "A"][0] == "failed" for q in questions)
