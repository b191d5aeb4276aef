# SPDX-License-Identifier: ISC
"""A child process with a group of its own, its output in a file, and a certain end."""
import os
import signal
import subprocess


class Process:
    def __init__(self, argv, log, env=None, cwd=None, stdin=None, **more):
        self.argv, self.log = argv, log
        with open(log, "ab") as out:
            self.child = subprocess.Popen(argv, stdin=stdin or subprocess.DEVNULL, stdout=out, stderr=out,
                                          env=env, cwd=cwd, start_new_session=True, **more)
        self.pid = self.child.pid

    def output(self):
        with open(self.log, "rb") as f:
            return f.read().decode("utf-8", "replace")

    def alive(self):
        return self.child.poll() is None

    def send(self, number):
        if self.alive():
            os.kill(self.pid, number)

    def wait(self, bound=60):
        return self.child.wait(bound)

    def kill(self):
        """SIGKILL for the whole group, and the funeral."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return self.child.wait(30)

    def stop(self, number=signal.SIGTERM, bound=60):
        """Asks politely, then not; returns the exit status of a polite end."""
        self.send(number)
        try:
            status = self.child.wait(bound)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.argv[0]} did not end in {bound} s:\n{self.output()[-3000:]}")
        self.kill()  # what it may have left in its group
        return status


def run(argv, **more):
    """A command to its end: CompletedProcess with text; bounded."""
    more.setdefault("timeout", 120)
    more.setdefault("capture_output", True)
    more.setdefault("text", True)
    return subprocess.run([str(a) for a in argv], **more)


def must(argv, **more):
    done = run(argv, **more)
    assert done.returncode == 0, f"{argv}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
