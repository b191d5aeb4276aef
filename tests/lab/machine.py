# SPDX-License-Identifier: ISC
"""A small machine of its own in a folder: users and directories made as the package makes them, the relay
started under the rules of its unit, without systemd."""
import configparser
import os
import shutil

from tests.lab.process import must
from tests.lab.relay import PROGRAM, TREE

SHARED = ["/usr", "/lib", "/lib64", "/bin", "/sbin"]


def unit(section="Service"):
    """A section of the shipped unit."""
    parser = configparser.ConfigParser(strict=False, delimiters="=", interpolation=None)
    parser.optionxform = str
    parser.read(os.path.join(TREE, "debian/waxwing.service"))
    return parser[section]


class Machine:
    """Its mounts live in namespaces of the commands that run on it: the folder itself holds no foreign file."""

    def __init__(self, lab):
        self.root = lab.folder("machine")
        self.script = []
        for name in ("etc", "var/spool", "var/lib", "run", "tmp"):
            os.makedirs(self.path(name))
        for shared in ("/usr", "/lib", "/lib64", "/bin", "/sbin"):
            if os.path.islink(shared):
                os.symlink(os.readlink(shared), self.path(shared))
            elif os.path.isdir(shared):
                self._share(shared)
        for shared in ("/dev", "/proc", "/etc/ssl"):
            self._share(shared)
        for name, line in (("passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("group", "root:x:0:\n")):
            with open(self.path("etc/" + name), "w", encoding="ascii") as f:
                f.write(line)
        shutil.copy(PROGRAM, self.path("tmp/waxwing"))

    def path(self, name):
        return os.path.join(self.root, name.lstrip("/"))

    def _share(self, path):
        os.makedirs(self.path(path), exist_ok=True)
        self.script.append(f"mount --rbind {path} {self.path(path)}")

    def inside(self, *argv):
        """The command as it is run on this machine, by its root."""
        script = " && ".join(self.script + [f'exec chroot {self.root} "$@"'])
        return ["unshare", "--mount", "sh", "-c", script, "sh", *argv]

    def install(self):
        """What the package does: its user and its folders."""
        for tool, kind, more in (("systemd-sysusers", "sysusers", []), ("systemd-tmpfiles", "tmpfiles", ["--create"])):
            os.makedirs(self.path(f"etc/{kind}.d"))
            shutil.copy(os.path.join(TREE, f"debian/waxwing.{kind}"), self.path(f"etc/{kind}.d/waxwing.conf"))
            must([tool, f"--root={self.root}", *more, "waxwing.conf"])

    def do(self, *argv, data=None):
        """A command of root's on this machine; what it printed."""
        return must(self.inside(*argv), input=data)

    def as_service(self):
        """What stands before the program when systemd starts the unit, the unit's folders made."""
        service = unit()
        user, group = service["User"], service["Group"]
        for key, where in (("RuntimeDirectory", "/run"), ("StateDirectory", "/var/lib")):
            self.do("install", "-d", "-o", user, "-g", group, "-m", service.get(key + "Mode", "0755"),
                    f"{where}/{service[key]}")
        capability = service["AmbientCapabilities"].lower().replace("cap_", "+")
        return self.inside("setpriv", f"--reuid={user}", f"--regid={group}", "--init-groups", "--no-new-privs",
                           f"--inh-caps=-all,{capability}", f"--ambient-caps=-all,{capability}",
                           f"--bounding-set=-all,{capability}")
