# SPDX-License-Identifier: ISC
"""What a person sees on a terminal: colours, lines that fit, how far a long command is."""
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios

from tests.lab.wait import until


class Screen:
    """A command on a terminal of so many columns."""

    def __init__(self, relay, *argv, columns=60, **env):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.child = subprocess.Popen([relay.program, "-c", relay.file, *argv], stdin=slave, stdout=slave, stderr=slave,
                                      cwd=relay.folder, env={**os.environ, "TERM": "xterm", **env})
        os.close(slave)
        os.set_blocking(self.master, False)
        self.text = ""

    def seen(self):
        try:
            while more := os.read(self.master, 65536):
                self.text += more.decode("utf-8", "replace")
        except BlockingIOError:
            pass
        except OSError:  # the other end is closed
            return self.text
        return self.text

    def end(self):
        until(lambda: (self.seen(), self.child.poll() is not None)[1], lambda: self.text)
        self.seen()
        os.close(self.master)
        return self.text


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*[mKHJ]", "", text)


def test_case_326_verdicts_have_colours_on_a_screen_alone(lab):
    relay = lab.relay()
    text = Screen(relay, "check").end()
    assert "\x1b[32mok" in text and "\x1b[0m" in text
    assert all(len(line.rstrip("\r")) <= 60 for line in plain(text).split("\n")), text
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b" not in Screen(relay, "check", **env).end(), env
    assert "\x1b" not in relay.ctl("check").stdout


def test_case_327_what_takes_long_says_so(lab):
    relay = lab.relay(dns={"self_check": "off"})
    lab.names.error("_dmarc.example.org", "TXT", "TIMEOUT")
    screen = Screen(relay, "audit", "example.org")
    until(lambda: "waxwing audit  1 s" in screen.seen() or screen.child.poll() is not None, lambda: screen.text)
    screen.child.send_signal(signal.SIGINT)
    screen.end()


def test_case_328_every_own_domain_is_audited_at_once(lab):
    relay = lab.relay()
    done = relay.ctl("audit", "--all")
    assert done.returncode == 1 and done.stdout.startswith("example.org\n") and "dmarc" in done.stdout
    assert [d["domain"] for d in json.loads(relay.ctl("audit", "--all", "--json").stdout)] == ["example.org"]
    assert relay.ctl("audit", "--all", "example.org").returncode == 64


def test_status_can_be_watched(lab):
    relay = lab.relay().start()
    screen = Screen(relay, "status", "--watch")
    until(lambda: screen.seen().count("\x1b[2J") >= 2, lambda: screen.text)
    relay.stop()
    assert "delivered" in screen.end()
    assert screen.child.returncode == 75
