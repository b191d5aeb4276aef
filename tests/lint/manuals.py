# SPDX-License-Identifier: ISC
"""The manual pages, held against the source: every page is sound mdoc, every subcommand has one, every page that is
named exists, and waxwing-log(7) has each event, field and alarm that the program writes, and no other."""
import os
import re
import subprocess

from rooms import text_of, tracked

LOG = "man/waxwing-log.7"
COMMANDS = "relay/command/commands.c"
HELP = "relay/command/command.c"
MADE = {"waxwing.yaml.5", "waxwing-reasons.7"}  # from the table of keys, from the catalogue of reasons
FIELD = re.compile(r'\blog_(?:text|bytes|address|number|seconds)\(\s*&?line,\s*"([\w-]+)"')
WHY = {"status", "reply", "type", "reason", "why", "act"}  # what log_why writes


def pages(root):
    return [name for name in tracked(root, ".1", ".5", ".7", ".8") if name.startswith("man/")]


def gate_pages(root):
    """Sound mdoc, and no page that refers to one that is not there."""
    names = pages(root)
    there = {os.path.basename(name) for name in names} | MADE
    bad = []
    for name in names:
        run = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", name], cwd=root, capture_output=True, text=True)
        bad += run.stdout.splitlines()
        for n, line in enumerate(text_of(root, name).split("\n"), 1):
            other = re.match(r"\.Xr (waxwing\S*) (\d)", line)
            if other and f"{other[1]}.{other[2]}" not in there:
                bad.append(f"{name}:{n}: there is no page {other[1]}({other[2]})")
    return bad + [f"{COMMANDS}: {command} has no page man/waxwing{page}.8" for command, page in commands(root)
                  if f"waxwing{page}.8" not in there]


def commands(root):
    """(name, what its page has behind "waxwing") of each row of the table."""
    if not os.path.exists(os.path.join(root, COMMANDS)):
        return []
    shared = dict(re.findall(r'\{"([\w-]+)", "(-?[\w-]*)"\}', text_of(root, HELP)))
    names = re.findall(r'^    \{"([\w-]+)",', text_of(root, COMMANDS), re.M)
    return [(name, shared.get(name, f"-{name}")) for name in names]


def sections(text):
    """{section: {item: the words in its text}} of an mdoc page."""
    found, section, items = {}, "", []
    for line in text.split("\n"):
        if line.startswith(".Sh "):
            section, items = line[4:], []
            found[section] = {}
        elif line.startswith(".It Cm "):
            items = re.findall(r"[\w-]+", line[7:])
            for item in items:
                found[section][item] = set()
        elif line.startswith((".Cm ", ".Pq Cm ", ".Po Cm ")):
            for item in items:
                found[section][item] |= set(re.findall(r"[\w-]+", line.split("Cm ", 1)[1]))
    return found


def written(root):
    """What the program writes: events, alarms, and (where, events or None, field) of each field."""
    events, alarms, fields = {}, {}, []
    for name in tracked(root, ".c"):
        if name.startswith(("tests/", "relay/log/")):
            continue
        text = text_of(root, name)
        for word in re.findall(r'\blog_event\("([\w-]+)"', text):
            events.setdefault(word, name)
        for word in re.findall(r'\blog_alarm(?:_once)?\(\s*"([\w-]+)"', text):
            alarms.setdefault(word, name)
        for body in re.split(r"^}", text, flags=re.M):
            begun = re.findall(r"\blog_begin\(&?line,\s*[^,]+,\s*([^,;]+),", body)
            own = {word for argument in begun for word in re.findall(r'"([\w-]+)"', argument)}
            for word in own:
                events.setdefault(word, name)
            used = set(FIELD.findall(body)) | (WHY if begun and "log_why(" in body else set())
            fields += [(name, own, field) for field in used]
    return events, alarms, fields


def gate_log(root):
    if not os.path.exists(os.path.join(root, LOG)):
        return []
    page = sections(text_of(root, LOG))
    told, known = page["EVENTS"], page["ALARMS"]
    everything = set().union(*told.values())
    events, alarms, fields = written(root)
    bad = [f"{where}: {LOG} does not have the event {word}" for word, where in events.items() if word not in told]
    bad += [f"{where}: {LOG} does not have the alarm {word}" for word, where in alarms.items() if word not in known]
    for where, own, field in fields:
        missing = [word for word in own if word in told and field not in told[word]]
        if missing or not own and field not in everything:
            bad.append(f"{where}: {LOG} does not have the field {field} of {', '.join(missing) or 'any event'}")
    source = "".join(text_of(root, name) for name in tracked(root, ".c") if not name.startswith("tests/"))
    bad += [f"{LOG}: nothing writes {word}" for word in list(told) + list(known) if f'"{word}"' not in source]
    return sorted(set(bad))
