# SPDX-License-Identifier: ISC
"""A name server that says what a story wants: the validating resolver that a relay in stub mode asks.

Records are secure (AD is set) when their name, "name|TYPE" or "*" was called secure. What is not listed is
NXDOMAIN, a known name without the type is NODATA, CNAMEs are followed. Every question is recorded.
"""
import socket
import socketserver
import struct
import threading

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

DNSKEY = ("257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==")


class Names:
    def __init__(self, lab, addresses=("127.0.0.1",)):
        self.records, self.errors, self.secured, self.insecure = {}, {}, set(), set()
        self.questions, self.ttl = [], 60
        self.lock = threading.Lock()
        self.add(".", "DNSKEY", DNSKEY)
        self.secure(".")
        self.servers = []
        for address in addresses:
            self._listen(address)
        lab.at_end(self.close)

    # --- what a story says ---

    def add(self, name, rtype, *texts):
        """Adds rdata as presentation text; TXT strings may be given without quotes."""
        for text in texts:
            if rtype == "TXT" and not text.startswith('"'):
                text = " ".join('"%s"' % text[i:i + 255] for i in range(0, len(text), 255))
            with self.lock:
                self.records.setdefault((key(name), rtype), []).append(text)
        return self

    def set(self, name, rtype, *texts):
        self.remove(name, rtype)
        return self.add(name, rtype, *texts)

    def remove(self, name, rtype=None):
        with self.lock:
            for k in [k for k in self.records if k[0] == key(name) and rtype in (None, k[1])]:
                del self.records[k]
        return self

    def secure(self, *names):
        self.secured |= {key(n) for n in names}
        return self

    def error(self, name, rtype, kind):
        """NXDOMAIN, NODATA, SERVFAIL, TIMEOUT, BOGUS (a validator's SERVFAIL), REFUSED; None heals."""
        with self.lock:
            if kind is None:
                self.errors.pop((key(name), rtype), None)
            else:
                self.errors[(key(name), rtype)] = kind
        return self

    def asked(self, name, rtype):
        with self.lock:
            return self.questions.count((key(name), rtype))

    # --- answering ---

    def is_secure(self, name, rtype):
        marks = {name, f"{name}|{rtype}".lower(), "*"}
        return bool(marks & self.secured) and not marks & self.insecure

    def answer(self, wire, tcp):
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, rtype = key(question.name.to_text()), dns.rdatatype.to_text(question.rdtype)
        with self.lock:
            self.questions.append((name, rtype))
            response = dns.message.make_response(query, recursion_available=True)
            secure = self._fill(response, name, rtype, question)
        if secure is None:
            return None
        if secure and (query.flags & dns.flags.AD or query.ednsflags & dns.flags.DO):
            response.flags |= dns.flags.AD
        data = response.to_wire(max_size=65535)
        if not tcp and len(data) > max(query.payload or 512, 512):
            short = dns.message.make_response(query, recursion_available=True)
            short.flags |= dns.flags.TC
            data = short.to_wire()
        return data

    def _fill(self, response, name, rtype, question):
        """Puts the answer in; True when all of it is secure, None for silence."""
        secure = True
        for _ in range(12):
            error = self.errors.get((name, rtype)) or self.errors.get((name, "*"))
            if error == "TIMEOUT":
                return None
            secure = secure and self.is_secure(name, rtype)
            if error in ("SERVFAIL", "BOGUS", "REFUSED", "NXDOMAIN"):
                response.set_rcode(dns.rcode.from_text("SERVFAIL" if error == "BOGUS" else error))
                return secure and error == "NXDOMAIN"
            texts = None if error else self.records.get((name, rtype))
            owner = dns.name.from_text(name)
            if texts:
                response.answer.append(dns.rrset.from_text(owner, self.ttl, "IN", rtype, *texts))
                return secure
            alias = None if error or rtype == "CNAME" else self.records.get((name, "CNAME"))
            if alias:
                response.answer.append(dns.rrset.from_text(owner, self.ttl, "IN", "CNAME", alias[0]))
                name = key(alias[0])
                continue
            if not error and not any(k[0] == name or k[0].endswith("." + name) for k in self.records):
                response.set_rcode(dns.rcode.NXDOMAIN)
            return secure
        response.set_rcode(dns.rcode.SERVFAIL)
        return False

    # --- the sockets ---

    def _listen(self, address):
        names = self
        family = socket.AF_INET6 if ":" in address else socket.AF_INET

        class Datagram(socketserver.BaseRequestHandler):
            def handle(self):
                data = names.answer(self.request[0], False)
                if data:
                    self.request[1].sendto(data, self.client_address)

        class Stream(socketserver.BaseRequestHandler):
            def handle(self):
                stream = self.request.makefile("rb")
                while len(length := stream.read(2)) == 2:
                    data = names.answer(stream.read(struct.unpack(">H", length)[0]), True)
                    if data:
                        self.request.sendall(struct.pack(">H", len(data)) + data)

        for kind, handler in ((socketserver.UDPServer, Datagram),
                              (socketserver.ThreadingTCPServer, Stream)):
            server = type("Server", (kind,), {"address_family": family, "allow_reuse_address": True,
                                              "daemon_threads": True, "max_packet_size": 65535,
                                              "handle_error": lambda *_: None})((address, 53), handler)
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            self.servers.append(server)

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()


def key(name):
    name = str(name).lower().rstrip(".")
    return name if "|" in name or name == "*" else (name + "." if name else ".")
