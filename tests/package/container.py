#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Follows the Containerfile without an image engine: a root made by mmdebstrap for each stage, each step in it as it
stands there. Then the relay runs in the last root as a container would run it: a user without rights, a root that is
only read, two volumes, first start and second. Root; the mirror of Debian; minutes.

usage: container.py FOLDER
"""
import json
import os
import re
import shutil
import subprocess
import sys
import time

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def must(argv, **more):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=1800, **more)
    assert done.returncode == 0, f"{argv}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def steps():
    """The instructions of the file as (word, rest)."""
    with open(os.path.join(TREE, "Containerfile"), encoding="utf-8") as f:
        text = re.sub(r"\\\n", " ", "".join(line for line in f if not line.startswith("#")))
    return [line.split(None, 1) for line in text.splitlines() if line.strip()]


class Image:
    def __init__(self, folder):
        self.folder, self.stages, self.root = folder, {}, None
        self.env, self.user, self.entry, self.command = {}, None, None, None

    def stage(self, rest):
        name = rest.split(" AS ")[1] if " AS " in rest else "last"
        self.root = self.stages[name] = os.path.join(self.folder, name)
        self.env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        base = os.path.join(self.folder, "base.tar")
        if not os.path.exists(base):
            must(["mmdebstrap", "--quiet", "--variant=minbase", "bookworm", base])
        shutil.rmtree(self.root, ignore_errors=True)
        os.makedirs(self.root)
        must(["tar", "-xf", base, "-C", self.root, "--exclude=./dev/*"])
        shutil.copy("/etc/resolv.conf", self.root + "/etc/resolv.conf")

    def run(self, command):
        inside = f"mount -t proc proc '{self.root}/proc' && mount --bind /dev '{self.root}/dev' && exec chroot '{self.root}' sh -ec \"$0\""
        must(["unshare", "--mount", "sh", "-ec", inside, command], env=dict(self.env, DEBIAN_FRONTEND="noninteractive"))

    def copy(self, rest):
        words = [w for w in rest.split() if not w.startswith("--")]
        flags = dict(w[2:].split("=") for w in rest.split() if w.startswith("--"))
        source = self.stages[flags["from"]] + words[0] if "from" in flags else os.path.join(TREE, words[0])
        target = self.root + words[1]
        if words[0] == ".":
            os.makedirs(target)
            names = must(["git", "-C", TREE, "ls-files", "-z", "-co", "--exclude-standard"])
            must(["xargs", "-0", "cp", "--parents", "-t", target], input=names, cwd=TREE)
            return
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(source, target)
        os.chmod(target, int(flags.get("chmod", "0755"), 8))

    def build(self):
        for word, rest in steps():
            print(f"{word} {rest[:100]}", flush=True)
            if word == "FROM":
                self.stage(rest)
            elif word == "RUN":
                self.run(rest)
            elif word == "COPY":
                self.copy(rest)
            elif word == "ENV":
                self.env.update(w.split("=", 1) for w in rest.split())
            elif word == "USER":
                self.user = rest.split(":")
            elif word in ("ENTRYPOINT", "CMD"):
                setattr(self, "entry" if word == "ENTRYPOINT" else "command", json.loads(rest))
            else:
                assert word in ("VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK"), word
        return self

    def start(self, variables, command=None):
        """The container: its root read-only, its volumes bound, nobody's rights. Popen, its output in a pipe."""
        assert self.user != ["0", "0"]
        volumes = "".join(f"mount --bind '{self.folder}/volume{v}' '{self.root}{v}'; mount -o remount,rw,bind '{self.root}{v}';"
                          for v in ("/data", "/spool"))
        inside = (f"mount --bind '{self.root}' '{self.root}'; {volumes} mount -t proc proc '{self.root}/proc'; mount --bind /dev '{self.root}/dev';"
                  f"mount -o remount,ro,bind '{self.root}'; cd '{self.root}'; exec chroot . setpriv --reuid={self.user[0]} "
                  f"--regid={self.user[1]} --clear-groups --no-new-privs --inh-caps=-all \"$@\"")
        return subprocess.Popen(["unshare", "--mount", "sh", "-ec", inside, "sh", *self.entry, *(command or self.command)],
                                env=dict(self.env, **variables), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def prepare(folder):
    """Volumes and a secret as Kubernetes hands them over: root's, for the group of the pod."""
    for volume in ("data", "spool"):
        path = os.path.join(folder, "volume", volume)
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        os.chown(path, 0, 10001)
        os.chmod(path, 0o2775)
    secret = os.path.join(folder, "volume/data/app")
    with open(secret, "w", encoding="ascii") as f:
        f.write("correct-horse\n")
    os.chown(secret, 0, 10001)
    os.chmod(secret, 0o440)
    return {"WAXWING_DOMAIN": "example.org", "WAXWING_HOSTNAME": "relay.example.org", "WAXWING_USER": "app",
            "WAXWING_PASSWORD_FILE": "/data/app", "WAXWING_LISTEN": "127.0.0.1:2587"}


def live(image, variables):
    """One start: healthy, then SIGTERM and a clean end; what it said."""
    relay = image.start(variables)
    for _ in range(600):
        done = image.start(variables, ["health"])
        text = done.communicate()[0]
        if done.returncode == 0 or relay.poll() is not None:
            break
        time.sleep(0.1)
    relay.terminate()
    said = relay.communicate(timeout=120)[0]
    assert done.returncode == 0 and "ready" in text, said + text
    assert relay.returncode == 0, said
    return said


def main():
    folder = os.path.abspath(sys.argv[1])
    os.makedirs(folder, exist_ok=True)
    image = Image(folder).build()
    variables = prepare(folder)
    first = live(image, variables)
    keys = sorted(os.listdir(folder + "/volume/data/waxwing/dkim/example.org"))
    second = live(image, variables)
    assert "_domainkey.example.org" in first, first
    for place, mode in (("data/waxwing/dkim", 0o700), ("spool/queue", 0o700)):
        assert os.stat(f"{folder}/volume/{place}").st_mode & 0o777 == mode, place
    assert sorted(os.listdir(folder + "/volume/data/waxwing/dkim/example.org")) == keys and len(keys) >= 2
    size = must(["du", "-sxm", image.root]).split()[0]
    print(first, second, f"the root of the image: {size} MiB", "1 passed, 0 failed", sep="\n")


main()
