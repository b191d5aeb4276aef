# SPDX-License-Identifier: ISC
"""The cheapest second machine: a volume that moves with the node. The first one is gone in the middle of everything, and
what its disk had when that happened is all that the second gets."""
import os
import shutil
import time

import pytest

from tests.lab.process import must, run
from tests.lab.relay import letter
from tests.lab.wait import until

MESSAGES = 200
DOMAIN = "dest.test"


class Volume:
    """A file that is a disk (a loop device), mounted at a folder of its own."""

    def __init__(self, lab, image):
        self.image, self.folder, self.device = image, lab.folder("volume"), None
        lab.at_end(self.close)
        attached = run(["losetup", "--find", "--show", image])
        if attached.returncode:
            pytest.skip("no loop device can be had: " + attached.stderr.strip())
        self.device = attached.stdout.strip()

    def mount(self):
        must(["mount", self.device, self.folder])
        return self

    def keys(self):
        for name in ("spool", "state"):
            os.makedirs(os.path.join(self.folder, name), mode=0o700, exist_ok=True)
        return {"spool": os.path.join(self.folder, "spool"), "state": os.path.join(self.folder, "state/state.db")}

    def close(self):
        run(["umount", self.folder])
        if self.device:
            must(["losetup", "--detach", self.device])


def test_case_505_a_volume_that_moves_has_every_accepted_message_and_is_soon_at_work(lab):
    mx = lab.mx("mx.dest.test", domains=DOMAIN)
    mx.on("rcpt", "451 4.7.1 later")
    image = lab.file("disk.img", b"")
    os.truncate(image, 192 << 20)
    must(["mkfs.ext4", "-q", "-F", image])
    first = lab.relay(**Volume(lab, image).mount().keys(), delivery={"retry": ["1h"]}).start()
    accepted = []
    with first.client() as client:
        for n in range(MESSAGES):
            client.envelope("app@example.org", [f"m{n}@{DOMAIN}"])
            reply = client.data(letter(subject=f"m {n}", body=b"x" * 70 + b"\r\n"))
            assert reply.code == 250, reply
            accepted.append(f"m{n}@{DOMAIN}")
    # Nothing is unmounted and nothing flushed: the disk is as it lies there when the machine ends.
    shutil.copyfile(image, image + ".moved")
    first.kill()
    began = time.monotonic()
    second = lab.relay(**Volume(lab, image + ".moved").mount().keys(), delivery={"retry": ["1h"]})
    mounted = time.monotonic()
    second.start()
    ready = time.monotonic()
    # One is due at once, and may be between two workers: its result was not on the disk. The host still takes nothing.
    until(lambda: {row["to"] for row in second.json("queue", "list")} == set(accepted), second.told)
    mx.on("rcpt", None)
    second.ask("queue", "retry", "--all", "--yes")
    second.wait("delivered", MESSAGES)
    print(f"{MESSAGES} messages: mounted after {mounted - began:.2f} s, ready {ready - mounted:.2f} s later, all "
          f"delivered {time.monotonic() - ready:.1f} s later")
    assert {to for m in mx.messages for to in m.to()} == set(accepted)
