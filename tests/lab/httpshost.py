# SPDX-License-Identifier: ISC
"""A host that speaks HTTPS just well enough to misbehave: accepts, shakes hands, and leaves the rest to who derives."""
import socket
import ssl
import threading


class HttpsHost:
    """Derived classes set address, certificate, errors, closing and listener, and answer in `_answer(stream)`."""

    port = 443

    def open(self):
        self.closing.clear()
        self.listener = socket.create_server((self.address, self.port), backlog=128)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def close(self):
        """Refuses connections from now on."""
        self.closing.set()
        if self.listener:
            try:
                self.listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self.listener.close()
            self.listener = None

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            sock.settimeout(120)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate.chain_file, self.certificate.key_file)
            with context.wrap_socket(sock, server_side=True) as stream:
                self._answer(stream)
        except (OSError, ssl.SSLError) as error:
            self.errors.append(str(error))
        finally:
            sock.close()
