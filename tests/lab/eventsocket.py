# SPDX-License-Identifier: ISC
"""Readers of events at a Unix socket."""
import contextlib
import json
import os
import socket
import threading


def reader(path, take):
    """Listens at path; take(connection) gets each connection."""
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def run():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            take(connection)
    threading.Thread(target=run, daemon=True).start()
    return listener


class Receiver:
    """Listens at path; the connections do as `ways` says, the last way for good. `kept`: what it has for certain."""

    def __init__(self, path, *ways):
        self.ways, self.kept, self.held = list(ways), [], threading.Event()
        self.listener = reader(path, self.take)

    def take(self, connection):
        way = self.ways.pop(0) if len(self.ways) > 1 else self.ways[0]
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:  # the relay may hang up
            for line in lines:
                if not line.endswith(b"\n"):  # the relay hung up in the middle of it
                    return
                if not getattr(self, way)(connection, json.loads(line)):
                    return

    def forget(self, connection, event):
        """Crashes when it has read something."""

    def forge(self, connection, event):
        connection.sendall(b"ok 999999\n")
        return True

    def one(self, connection, event):
        self.keep(connection, event)

    def hold(self, connection, event):
        self.held.set()
        return True

    def keep(self, connection, event):
        self.kept.append(event)
        connection.sendall(b"ok %d\n" % event["seq"])
        return True
