# SPDX-License-Identifier: ISC
"""Logins proved elsewhere: Dovecot's auth service (the real one, and one that lies) and a program of the site's."""
import base64
import http.server
import os
import signal
import socket
import threading

import pytest

from tests.lab.client import Client
from tests.lab.dovecot import Dovecot, FakeDovecot, password_of
from tests.lab.relay import letter
from tests.lab.wait import until

ANNA = {"user": "anna@example.org", "from": ["example.org"]}


def secured(relay, **more):
    client = Client(relay.address, relay.port, **more)
    client.ehlo()
    client.starttls()
    return client


def code(relay, user, password, way="plain", **more):
    with secured(relay, **more) as client:
        return getattr(client, way)(user, password).code


def relay_with(lab, socket, **auth):
    return lab.relay(senders=[{"user": "app", "from": ["example.org"]}, ANNA],
                     auth={"dovecot": socket, "failures": 1000, **auth}).start()


# --- Dovecot ---

def test_dovecot_proves_whom_the_file_does_not_have(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    dovecot = Dovecot(lab, {"anna": "secret::::::user=anna@example.org", "app": "another"})
    relay = relay_with(lab, dovecot.socket)
    for way in ("plain", "login", "scram"):
        assert code(relay, "anna", "wrong", way) == 535, way
        with secured(relay) as client:
            assert getattr(client, way)("anna", "secret").code == 235, way
            client.envelope("x@example.org", "someone@dest.test")
            assert client.data(letter()).code == 250
    mx.wait(3)
    assert relay.wait("accept")["user"] == "anna@example.org"  # as Dovecot calls her
    assert code(relay, "app", relay.password) == 235  # the file's own, who has a hash there
    assert code(relay, "app", "another") == 535
    assert code(relay, "nobody", "secret") == 535 and code(relay, "nobody", "secret", "scram") == 535


def test_mechanisms_are_those_that_dovecot_has(lab):
    dovecot = Dovecot(lab, {"anna": "secret"}, mechanisms="plain")
    relay = relay_with(lab, dovecot.socket)
    assert code(relay, "anna", "secret", "login") == 235
    with secured(relay) as client:
        assert client.extensions["AUTH"] == ["PLAIN", "LOGIN"]


@pytest.mark.threads
def test_case_241_dovecot_restarts_under_logins(lab):
    """Logins wait for it, and those that were under way are asked again."""
    dovecot = Dovecot(lab, {"anna": "secret"})
    relay = relay_with(lab, dovecot.socket)
    assert code(relay, "anna", "secret") == 235
    dovecot.stop()
    codes = []
    asking = threading.Thread(target=lambda: codes.append(code(relay, "anna", "secret")))
    asking.start()
    until(lambda: relay.events("session", to="proving") and len(relay.events("session", to="proving")) >= 2)
    dovecot.start()
    asking.join()
    assert codes == [235]


def test_without_dovecot_it_is_a_matter_of_time(lab):
    relay = relay_with(lab, "/nonexistent/auth", failures=1)
    assert code(relay, "app", relay.password) == 235
    with secured(relay) as client:
        assert client.plain("anna", "secret").code == 454
        assert client.plain("app", relay.password).code == 235  # and nobody was banned for it
    assert "cannot be reached" in relay.wait("auth", result="deferred")["reason"]
    assert relay.wait("alarm", what="login-backend")


@pytest.mark.parametrize("lie", [
    b"OK\tx\n", b"CONT\t%s\t!!\n", b"\0\n", b"x" * 40000, b"OK\t%s", b"VERSION\t2\t0\n", b"OK\t7777777\tuser=root\n",
    b"FAIL\t%s\tcode=temp_fail\n", b"OK\t%s\tuser=a\x01nb\n"])
def test_case_242_a_service_that_lies_lets_nobody_in(lab, lie):
    def answer(words):
        return lie.replace(b"%s", words[1]) if words[0] == b"AUTH" else b""
    fake = FakeDovecot(lab, answer)
    relay = relay_with(lab, fake.socket, timeout="2s")
    reply = code(relay, "anna", "secret")
    assert reply in (454, 235), reply
    if reply == 235:  # it said yes, and only its name for the user was no name
        assert relay.wait("auth", result="ok")["user"] == "anna"


class DeafDovecot(FakeDovecot):
    """Its first connection hears nothing any more behind its greeting, says nothing, and stays."""

    deaf = 0

    def talk(self, sock):
        if self.deaf:
            super().talk(sock)
            return
        self.deaf += 1
        sock.shutdown(socket.SHUT_RD)
        sock.sendall(self.greeting)


def test_case_645_a_question_that_cannot_be_written_is_asked_anew(lab):
    fake = DeafDovecot(lab, lambda words: b"OK\t%s\tuser=%s\n" % (words[1], password_of(words)[0]))
    relay = lab.relay(senders=[ANNA], auth={"dovecot": fake.socket}, workers=1).start()
    assert code(relay, "anna@example.org", "secret") == 235  # not 454 at the end of a deadline
    assert fake.deaf == 1


@pytest.mark.parametrize("greeting", [b"", b"VERSION\t2\t0\nDONE\n", b"HTTP/1.0 400\r\n\r\n", b"MECH\tX\n" * 3000, b"y" * 100000])
def test_a_greeting_that_is_none(lab, greeting):
    fake = FakeDovecot(lab, lambda words: b"OK\t" + words[1] + b"\n", greeting)
    relay = relay_with(lab, fake.socket)
    assert code(relay, "anna", "secret") == 454
    assert code(relay, "app", relay.password) == 235


@pytest.mark.threads
def test_case_243_it_dies_in_the_middle_while_clients_leave(lab):
    """Two faults at once: the connection breaks while some of its clients are gone, and SCRAM is half done."""
    hold = threading.Event()

    def answer(words):
        if words[0] == b"AUTH" and b"SCRAM-SHA-256" in words:
            return b"CONT\t" + words[1] + b"\tcj1hYmNk\n"
        hold.wait(30)
        return None
    fake = FakeDovecot(lab, answer)
    relay = relay_with(lab, fake.socket)
    half = secured(relay)
    half.expect(334, "AUTH SCRAM-SHA-256 biwsbj1hbm5hLHI9YWJjZA==")
    leaving, staying = [secured(relay) for _ in range(3)], [secured(relay) for _ in range(3)]
    for client in leaving + staying:
        client.send("AUTH PLAIN AGFubmEAc2VjcmV0\r\n")
    until(lambda: sum(line.startswith(b"AUTH") for line in fake.lines) >= 3)
    for client in leaving:
        client.close()
    fake.close()
    hold.set()
    for client in staying:
        assert client.reply().code == 454
        client.expect(250, "NOOP")
    assert half.cmd("Yz1iaXdz").code == 454
    half.expect(250, "NOOP")
    relay.stop()


def test_case_244_reload_to_another_backend_and_stop_in_the_middle(lab):
    silent = FakeDovecot(lab, lambda words: b"")
    fake = FakeDovecot(lab, lambda words: (b"OK\t" if password_of(words) == (b"anna", b"secret") else b"FAIL\t") + words[1] + b"\n")
    relay = relay_with(lab, silent.socket)
    waiting = secured(relay)
    waiting.send("AUTH PLAIN AGFubmEAc2VjcmV0\r\n")
    until(lambda: any(line.startswith(b"AUTH") for line in silent.lines))
    relay.write(auth={"dovecot": fake.socket})
    relay.ask("reload")
    assert waiting.reply().code == 454
    assert waiting.plain("anna", "secret").code == 235
    relay.write(auth={"dovecot": silent.socket})
    relay.ask("reload")
    other = secured(relay)
    asked = len(silent.lines)
    other.send("AUTH PLAIN AGFubmEAc2VjcmV0\r\n")
    until(lambda: any(line.startswith(b"AUTH") for line in silent.lines[asked:]))
    relay.stop()  # at once, with a login under way
    assert other.ended()


# --- a program ---

PROGRAM = """#!/bin/sh
env > "{folder}/env"; pwd > "{folder}/pwd"; ls /proc/self/fd | wc -l > "{folder}/fds"; echo "$@" > "{folder}/args"
read -r user; read -r password
case "$user" in
slow) sleep 60 & echo $! > "{folder}/child"; wait;;
broken) exit 75;;
killed) kill -9 $$;;
away) printf 'a beginning\n\nthe directory is away\033[1m result=ok\n \n' >&2; exit 75;;
locked) echo "the account is locked" >&2; exit 1;;
tells) echo "not '$password'" >&2; exit 1;;
loud) yes >&2;;
prints) head -c 1000000 /dev/zero || exit 75; exit 1;;
esac
test -e "{folder}/closed" && exit 1
test "$user:$password" = "anna@example.org:sec ret"
"""


@pytest.fixture
def program(lab):
    folder = lab.folder("program")
    path = os.path.join(folder, "check")
    with open(path, "w", encoding="ascii") as f:
        f.write(PROGRAM.format(folder=folder))
    os.chmod(path, 0o755)
    return path


def relay_by(lab, program, **auth):
    return lab.relay(senders=[{"user": "app", "from": ["example.org"]}, ANNA],
                     auth={"command": [program, "--strict"], "failures": 1000, **auth}).start()


def told(program, name):
    with open(os.path.join(os.path.dirname(program), name), encoding="ascii") as f:
        return f.read()


def test_case_246_a_program_proves_a_login(lab, program):
    relay = relay_by(lab, program)
    assert code(relay, "anna@example.org", "wrong") == 535
    assert code(relay, "anna@example.org", "sec ret") == 235
    assert code(relay, "anna@example.org", "sec ret", "login") == 235
    assert code(relay, "app", relay.password) == 235
    with secured(relay) as client:
        assert client.extensions["AUTH"] == ["PLAIN", "LOGIN"]
    assert told(program, "args") == "--strict\n" and told(program, "pwd") == "/\n"
    assert {line.split("=")[0] for line in told(program, "env").splitlines()} <= {"PATH", "LANG", "WAXWING_CLIENT", "PWD", "_", "SHLVL", "OLDPWD"}
    assert "WAXWING_CLIENT=127.0.0.1\n" in told(program, "env")
    assert int(told(program, "fds")) <= 4  # 0, 1, 2 and the listing's own


def test_a_program_that_cannot_say(lab, program):
    relay = relay_by(lab, program, failures=1)
    for user in ("broken", "killed"):
        assert code(relay, user, "x") == 454
    assert "exit 75" in relay.wait("auth", user="broken")["reason"]
    assert "signal 9" in relay.wait("auth", user="killed")["reason"]
    relay.write(auth={"command": ["/nonexistent/check"]})
    relay.ask("reload")
    until(lambda: code(relay, "anna@example.org", "x") == 454 and "cannot be run" in relay.events("auth")[-1]["reason"])
    assert code(relay, "app", relay.password) == 235


def test_case_245_a_program_is_killed_with_its_children(lab, program):
    relay = relay_by(lab, program, timeout="1s", concurrent=1)
    assert code(relay, "slow", "x") == 454
    assert "in time" in relay.wait("auth", user="slow")["reason"]
    child = int(told(program, "child"))
    until(lambda: not os.path.exists(f"/proc/{child}") or "State:\tZ" in open(f"/proc/{child}/status", encoding="ascii").read())
    slow = [secured(relay) for _ in range(2)]
    for client in slow:  # the second waits in line
        client.send("AUTH PLAIN AHNsb3cAeA==\r\n")
    until(lambda: len(relay.events("session", to="proving")) >= 3)
    for client in slow:
        client.close()
    assert code(relay, "anna@example.org", "sec ret") == 235
    stuck = secured(relay)
    stuck.send("AUTH PLAIN AHNsb3cAeA==\r\n")
    until(lambda: len(relay.events("session", to="proving")) >= 5)
    relay.stop()
    assert stuck.ended()


def test_case_670_what_a_program_says_is_one_line_and_bounded(lab, program):
    relay = relay_by(lab, program, timeout="60s")
    for user, answer, reason in (("away", 454, "exit 75: the directory is away\x1b[1m result=ok"), ("locked", 535, "says no: the account is locked"),
                                 ("tells", 535, "the secret and are not shown"), ("loud", 454, "said too much (64 KiB)"),
                                 ("prints", 535, "is wrong")):
        assert code(relay, user, "sec ret") == answer, user
        told = relay.wait("auth", user=user)
        assert reason in told["reason"] and told["result"] == {454: "deferred", 535: "failed"}[answer], told
    assert program + " cannot say" in relay.wait("alarm", what="login-backend")["text"]
    relay.stop()
    with open(relay.log_files[0], encoding="utf-8") as f:
        log = f.read()
    assert "sec ret" not in log and "a beginning" not in log


def test_case_673_a_program_is_asked_each_time(lab, program):
    relay = relay_by(lab, program)
    assert code(relay, "anna@example.org", "sec ret") == 235
    with open(os.path.join(os.path.dirname(program), "closed"), "w", encoding="ascii"):
        pass
    assert code(relay, "anna@example.org", "sec ret") == 535


MANY = """#!/bin/sh
: > "{folder}/runs/$$"; ls "{folder}/runs" | wc -l >> "{folder}/most"
read -r user; read -r password
test "$password" = "$user-secret"; answer=$?
rm "{folder}/runs/$$"
exit $answer
"""


@pytest.mark.threads
def test_case_671_a_hundred_logins_at_once_take_turns(lab):
    folder = lab.folder("many")
    path = os.path.join(folder, "check")
    os.mkdir(os.path.join(folder, "runs"))
    with open(path, "w", encoding="ascii") as f:
        f.write(MANY.format(folder=folder))
    os.chmod(path, 0o755)
    relay = relay_by(lab, path, concurrent=4)
    clients, heard = [secured(relay) for _ in range(100)], {}
    for n, client in enumerate(clients):  # every third lies
        client.send(b"AUTH PLAIN " + base64.b64encode(b"\0u%d\0u%d-%s" % (n, n, b"guess" if n % 3 == 0 else b"secret")) + b"\r\n")
    for n, client in enumerate(clients):
        heard[n] = client.reply().code
        client.close()
    assert heard == {n: 535 if n % 3 == 0 else 235 for n in range(100)}
    with open(os.path.join(folder, "most"), encoding="ascii") as f:
        counts = [int(line) for line in f]
    assert len(counts) == 100 and max(counts) <= 4, counts
    relay.stop()


def test_case_674_a_relay_that_is_killed_over_a_program_begins_anew(lab, program):
    relay = relay_by(lab, program, concurrent=1)
    with secured(relay) as client:
        client.send("AUTH PLAIN AHNsb3cAeA==\r\n")
        until(lambda: os.path.exists(os.path.join(os.path.dirname(program), "child")) and told(program, "child"))
        relay.kill()
    relay.start()
    assert code(relay, "anna@example.org", "sec ret") == 235
    os.kill(int(told(program, "child")), signal.SIGKILL)  # a service manager would have


class Login(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name, password = base64.b64decode(self.headers["Authorization"].split()[1]).split(b":")
        self.send_response(503 if name == b"busy" else 200 if password == name + b"-secret" else 401)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_case_675_the_example_asks_a_web_service(lab):
    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Login)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    program = lab.file("check-login", open("man/examples/check-login", encoding="utf-8").read())
    os.chmod(program, 0o755)
    relay = lab.relay(senders=[ANNA], auth={"command": [program, f"http://127.0.0.1:{service.server_address[1]}/"], "failures": 1000}).start()
    assert code(relay, "anna@example.org", "anna@example.org-secret") == 235
    assert code(relay, "anna@example.org", "guess") == 535
    assert code(relay, "busy", "busy-secret") == 454
    assert "503" in relay.wait("auth", user="busy")["reason"]
    service.shutdown()
    service.server_close()
    assert code(relay, "anna@example.org", "anna@example.org-secret") == 454
    relay.stop()


def test_configurations_that_cannot_be(lab):
    for auth in ({"dovecot": "a", "command": ["/bin/true"]}, {"command": ["true"]}):
        relay = lab.relay(auth=auth)
        assert relay.ctl("check").returncode == 78, auth


def test_check_looks_at_the_backend(lab, program):
    relay = lab.relay(auth={"dovecot": "/nonexistent/auth"})
    assert "/nonexistent/auth" in relay.ctl("check").stdout
    dovecot = Dovecot(lab, {"anna": "secret"})
    relay.write(auth={"dovecot": dovecot.socket})
    assert "Dovecot" in relay.ctl("check").stdout
    fake = FakeDovecot(lab, lambda words: b"", b"HTTP/1.0 400\r\n\r\n")
    relay.write(auth={"dovecot": fake.socket})
    assert "ERROR" in relay.ctl("check").stdout
    relay.write(auth={"dovecot": "", "command": [program]})
    assert program in relay.ctl("check").stdout
    os.chmod(program, 0o644)
    assert "ERROR" in relay.ctl("check").stdout


def test_case_672_a_program_that_others_may_replace_is_told(lab, program):
    folder = os.path.dirname(program)
    relay = relay_by(lab, program)
    for path, mode, what in ((program, 0o757, "the program that sees passwords"), (folder, 0o777, "the folder of the program")):
        kept = os.stat(path).st_mode & 0o7777
        os.chmod(path, mode)
        assert f"{path}: {what}" in relay.ctl("check").stdout
        relay.ask("reload")
        os.chmod(path, kept)
    assert "by everybody" not in relay.ctl("check").stdout
    os.chmod(program, 0o775)
    assert "written by others" in relay.ctl("check").stdout
    os.unlink(program)
    assert "No such file" in relay.ctl("check").stdout
