# SPDX-License-Identifier: ISC
"""README.md tells the truth: its samples are what the commands print, its command lines are ones that there are."""
import os
import re
import subprocess

import pytest

from tests.lab.relay import TREE, letter

PORT = 9587


def readme():
    with open(os.path.join(TREE, "README.md"), encoding="utf-8") as f:
        return f.read()


def samples():
    """(command line, its lines) of each block that begins with a prompt."""
    found = []
    for block in re.findall(r"(?:^    .*\n|^\n)+", readme(), re.M):
        for command, rest in re.findall(r"^    \$ (waxwing .*)\n((?:^(?!    \$ ).*\n)*)", block, re.M):
            found.append((command, [line.strip() for line in rest.splitlines() if line.strip()]))
    return found


def plain(text):
    """Without what differs from run to run: numbers, ids, units, how lines were broken."""
    text = re.sub(r"\b0c[0-9a-z]{11}\b", "ID", text)
    text = re.sub(r"\d[\d.:TZ-]*", "0", text)
    text = re.sub(r"\b0 ?(s|m|h|d|seconds?|minutes?|hours?|days?)\b( 0 ?[smh]\b)?", "AGE", text)
    text = text.replace("just now", "AGE ago").replace("again now", "again in AGE")
    return re.sub(r"\s+", " ", text)


@pytest.fixture
def scene(lab):
    """What the README shows: one domain is well, one has no STARTTLS, one says slow down, somebody guesses passwords."""
    lab.mx("mx.good.example", domains="good.example")
    lab.mx("mx.partner.example", domains="partner.example", tls=None)
    lab.mx("mx.busy.example", domains="busy.example").on("rcpt", "451 4.7.1 Too many messages, slow down")
    relay = lab.relay(auth={"failures": 3}, senders=[{"user": "app", "from": ["example.org"]}], delivery={
        "retry": ["30m"], "source": [{"address": "198.51.100.7"}], "destinations": [
            {"domain": "legacy.example", "tls": "opportunistic", "until": "2037-03-31",
             "reason": "ticket 4711, they promise STARTTLS by spring"}]})
    relay.set_user("postfix", None)
    lab.names.set("relay.example.org", "A", "198.51.100.7")
    lab.names.set("example.org", "A", "198.51.100.7").set("example.org", "TXT", "v=spf1 ip4:198.51.100.7 -all")
    lab.names.set("7.100.51.198.in-addr.arpa", "PTR", "relay.example.org.")
    relay.start()
    for to in (["a@good.example"], ["b@good.example"], ["info@partner.example"], ["c@busy.example", "d@busy.example"]):
        assert relay.submit(to, letter("app@example.org", to[0]), sender="app@example.org").code == 250
    relay.wait("delivered", 2)
    relay.wait("deferred", 3)
    with open(relay.path("letter.eml"), "wb") as f:
        f.write(letter("app@example.org", "a@good.example"))
    for _ in range(3):
        with relay.client(login=False) as client:
            client.ehlo()
            client.starttls()
            client.plain("root", "guess")
    return relay


def told(relay, command):
    done = subprocess.run([relay.program, "-c", relay.file, *command.split()[1:]], capture_output=True, text=True, check=False,
                          cwd=relay.folder, timeout=60)
    return done.stdout + done.stderr


def test_case_434_each_sample_of_the_readme_is_what_the_command_prints(scene):
    kept = {}
    here = [(command, lines) for command, lines in samples() if "someone@" not in command]  # that one is test_trace.py's
    assert len(here) >= 12
    for command, lines in here:
        kept[command] = told(scene, command)
        for line in lines:
            assert plain(line) in plain(kept[command]), f"{command}: {line}\n{kept[command]}"


def test_case_435_each_command_line_of_the_readme_is_one_that_there_is(lab):
    relay = lab.relay()
    text = readme()
    lines = set(re.findall(r"`(waxwing [^`]+)`", text)) | set(re.findall(r"^ +(?:\$ )?(waxwing [^#\n]+)", text, re.M))
    assert len(lines) > 30
    for line in lines:
        words = line.split()
        name = words[1]
        help_text = told(relay, f"waxwing {name} --help")
        assert "usage: waxwing " + name in help_text, line
        for word in words[2:]:
            if word.startswith("--"):
                assert word.split("=")[0] in help_text, f"{line}: {word} is not in its help"
            elif re.fullmatch(r"[a-z]+", word) and words.index(word) == 2:
                assert re.search(rf"\b{word}\b", help_text), f"{line}: {word} is not in its help"


def test_the_log_lines_of_the_readme_have_fields_that_the_manual_knows():
    lines = re.findall(r"^    (?:0c\S+ .*|  +source=.*)$", readme(), re.M)
    with open(os.path.join(TREE, "man/waxwing-log.7"), encoding="utf-8") as f:
        manual = f.read()
    fields = re.findall(r"(?:^| )([a-z]+)=", "\n".join(lines), re.M)
    assert len(fields) > 12
    for field in fields:
        assert re.search(rf"\b{field}\b", manual), field
