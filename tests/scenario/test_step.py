# SPDX-License-Identifier: ISC
"""Hosts whose replies are out of step with the commands, and what the log says of each recipient's attempt."""


def start(lab, **config):
    return lab.relay(**config).start()


def test_case_50_an_answer_for_each_recipient_never_delivers_the_next_message(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")

    def dot(_session, message):
        mine = {"spam@dest.test"} & set(message.to())
        return "554 5.7.1 spam" if mine else b"250 2.0.0 taken\r\n" * len(message.to())
    mx.on("dot", dot)
    relay = start(lab, delivery={"retry": ["1s"]})
    relay.send("a@dest.test")
    relay.wait("delivered", to="a@dest.test")  # the host has taken a BDAT
    relay.send(["b@dest.test", "c@dest.test"])
    for _ in range(3):
        relay.send("spam@dest.test")
    failed = relay.wait("failed", 3, to="spam@dest.test")
    assert {one["status"] for one in failed} == {"5.7.1"}
    assert not relay.events("delivered", to="spam@dest.test")
    # One recipient at a time the host is in step, and both get their mail.
    relay.wait("delivered", to="b@dest.test")
    relay.wait("delivered", to="c@dest.test")


def test_case_59_the_log_tells_the_attempt_of_each_recipient(lab):
    mx = lab.mx("mx.dest.test", tls="self-signed", domains="dest.test")
    relay = start(lab, delivery={"tls": "webpki"})
    relay.send("a@dest.test")
    told = relay.wait("deferred", to="a@dest.test")
    assert told["host"] == "mx.dest.test" and told["ip"]
    assert (told["demand"], told["source"], told["proof"]) == ("webpki", "default", "none")
    assert told["tls"].startswith("TLS") and not mx.seen


def test_case_59_two_recipients_two_replies(lab):
    mx = lab.mx("mx.dest.test", domains="dest.test")
    mx.on("rcpt", lambda _session, argument: "450 4.2.1 later" if "a@" in argument else None)
    relay = start(lab)
    relay.send(["a@dest.test", "b@dest.test"])
    assert relay.wait("deferred", to="a@dest.test")["reply"] == "450 4.2.1 later"
    assert relay.wait("delivered", to="b@dest.test")["reply"] == "250 2.0.0 queued"
