# SPDX-License-Identifier: ISC
"""A configuration that includes a folder: read at the start and at a reload, looked at by check, compared by a fleet."""
import json
import os

import pytest

from tests.lab.client import Client
from tests.lab.relay import write_private
from tests.lab.wait import until
from tests.scenario.test_fleet import database, made, node, nodes  # noqa: F401


def put(relay, name, content):
    folder = relay.path("conf.d")
    os.makedirs(folder, exist_ok=True)
    os.chmod(folder, 0o755)
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(content if isinstance(content, str) else json.dumps(content))
    os.chmod(path, 0o644)
    return path


def may_send(relay, user, sender):
    with relay.client(user=user) as client:
        return client.cmd(f"MAIL FROM:<{sender}>").code == 250


@pytest.fixture
def relay(lab):
    relay = lab.relay(include="conf.d")
    relay.set_user("shop", relay.password)
    put(relay, "10-shop.yaml", {"senders": [{"user": "shop", "from": ["shop.example.org"]}]})
    return relay


def test_case_593_a_reload_takes_what_the_folder_says_now(lab, relay):
    relay.start()
    assert may_send(relay, "shop", "a@shop.example.org") and not may_send(relay, "shop", "a@other.example.org")
    put(relay, "10-shop.yaml", "senders:\n  - user: shop\n    from: [other.example.org]\n")
    put(relay, "20-more.yaml", "limits: {recipients: 7}\n")
    relay.ask("reload")
    assert may_send(relay, "shop", "a@other.example.org") and not may_send(relay, "shop", "a@shop.example.org")
    bad = put(relay, "20-more.yaml", "limits:\n  recipients: many\n")
    put(relay, "10-shop.yaml", "senders: {user: shop, from: [third.example.org]}\n")
    done = relay.ctl("reload")
    assert done.returncode == 78 and f"{bad}:2:15: recipients" in done.stdout + done.stderr
    relay.reload()
    relay.wait("alarm", what="reload")
    assert f"{bad}:2:15: recipients" in relay.process.output()
    assert may_send(relay, "shop", "a@other.example.org")
    os.unlink(bad)
    os.symlink("/nowhere", bad)  # as one that went away while the folder was read
    done = relay.ctl("reload")
    assert done.returncode == 78 and f"{bad}:1:1: cannot be read" in done.stdout + done.stderr
    assert may_send(relay, "shop", "a@other.example.org")
    os.unlink(bad)
    relay.ask("reload")
    assert may_send(relay, "shop", "a@third.example.org")


def test_case_594_check_names_the_file(lab, relay):
    own = os.path.join(os.path.dirname(put(relay, "20-more.yaml", {})), "partner.secret")
    write_private(own, b"secret\n")
    put(relay, "20-more.yaml", "delivery:\n  destinations:\n    - domain: p.example\n      next_hop: '[mx.p.example]'\n"
                               "      tls: webpki\n      auth: {user: relay, password_file: partner.secret}\n")
    told = relay.ctl("check", "--dns-file", "/dev/null").stdout
    assert f"configuration {relay.file}, with 2 files of {relay.path('conf.d')}" in told, told
    os.chmod(own, 0o644)
    os.chmod(relay.path("conf.d/10-shop.yaml"), 0o666)
    told = relay.ctl("check", "--dns-file", "/dev/null").stdout
    assert f"{relay.path('conf.d/20-more.yaml')}:6:42: password file {own} can be read by everybody" in told, told
    assert f"{relay.path('conf.d/10-shop.yaml')}: the configuration can be written by everybody" in told, told


def test_case_595_nodes_differ_by_what_is_said_not_by_where(lab, database):
    one, two = node(lab, 1, database=database), node(lab, 2, database=database, include="conf.d")
    moved = {key: two.config.pop(key) for key in ("senders", "limits")}
    two.write()
    put(two, "a.yaml", moved)
    put(two, "b.yaml", {"delivery": {"expire": "5d"}})
    made(lab, database, one)
    one.start()
    two.start()
    until(lambda: len(nodes(one)) == 2, "both nodes")
    until(lambda: not set(nodes(one)["node-2"]["differs"]) & {"senders", "limits", "delivery", "include"}, "all of it to be told")
    put(two, "a.yaml", {**moved, "limits": {**moved["limits"], "recipients": 8}})
    two.ask("reload")
    until(lambda: "limits" in nodes(one)["node-2"]["differs"], "what differs")
    assert "senders" not in nodes(one)["node-2"]["differs"]
