#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A recursive server that lies to order: what it answers hangs on the first label.

usage: server.py ADDRESS [CHAIN KEY]   prints "PORT" once UDP and TCP listen there; ends when stdin closes.
With a certificate the stream is TLS.
A question for `count.N` is answered with the number of questions about N so far, as TXT."""
import collections, socketserver, ssl, sys, threading
import dns.flags, dns.message, dns.rcode, dns.rrset

asked = collections.Counter()


def add(reply, name, kind, *data):
    reply.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *data))


def soa(reply):
    reply.authority.append(dns.rrset.from_text("test.", 300, "IN", "SOA", "ns.test. h.test. 1 2 3 4 20"))


def answer(wire, tcp):
    query = dns.message.from_wire(wire)
    q = query.question[0]
    name, kind = q.name.to_text(), dns.rdatatype.to_text(q.rdtype)
    label = name.split(".")[0]
    asked[label] += 1
    reply = dns.message.make_response(query, recursion_available=True)
    reply.flags &= ~dns.flags.AD
    checking = not query.flags & dns.flags.CD
    secure = bool(query.flags & dns.flags.AD)  # an AD bit only for those who ask (RFC 6840 5.7)
    if name == "." or label in ("secure", "soa"):
        add(reply, name, kind, *{"A": ["192.0.2.1"], "SOA": ["a. b. 1 2 3 4 5"], "DNSKEY": ["257 3 13 AAAA"],
                                 "MX": ["10 Mx.Secure.test.", "0 ."]}.get(kind, ["192.0.2.1"]))
    elif label == "insecure":
        add(reply, name, "A", "192.0.2.2")
        secure = False
    elif label == "nx":
        reply.set_rcode(dns.rcode.NXDOMAIN)
        soa(reply)
    elif label == "nodata":
        soa(reply)
    elif label == "servfail":
        reply.set_rcode(dns.rcode.SERVFAIL)
    elif label == "refused":
        reply.set_rcode(dns.rcode.REFUSED)
    elif label == "bogus":
        if checking:
            reply.set_rcode(dns.rcode.SERVFAIL)
        else:
            add(reply, name, "A", "192.0.2.66")
        secure = False
    elif label == "silent":
        return None
    elif label == "lost":  # over UDP
        if not tcp:
            return None
        add(reply, name, "A", "192.0.2.3")
    elif label == "big":
        if tcp:
            add(reply, name, "TXT", *['"%d%s"' % (i, "x" * 200) for i in range(100)])
        else:
            reply.flags |= dns.flags.TC
    elif label == "cut":
        reply.flags |= dns.flags.TC
    elif label == "alias":  # secure alias, insecure end
        add(reply, name, "CNAME", "insecure.test.")
        if kind != "CNAME":
            add(reply, "insecure.test.", "A", "192.0.2.2")
            secure = False
    elif label == "chain":  # an authoritative server leaves the target out
        add(reply, name, "CNAME", "secure.test.")
    elif label == "loop":
        add(reply, name, "CNAME", "loop.test.")
    elif label == "garbage":
        return b"\x00" * 20
    elif label == "count":
        add(reply, name, "TXT", '"%d"' % asked[name.split(".")[1]])
    if secure:
        reply.flags |= dns.flags.AD
    return reply.to_wire(max_size=65535)


class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        out = answer(self.request[0], False)
        if out:
            self.request[1].sendto(out, self.client_address)


class Tcp(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            head = self.rfile.read(2)
            if len(head) < 2:
                return
            out = answer(self.rfile.read(int.from_bytes(head, "big")), True)
            if out:
                self.wfile.write(len(out).to_bytes(2, "big") + out)


class UdpServer(socketserver.ThreadingUDPServer):
    daemon_threads = True


class TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


for _ in range(20):  # a port that is free for both
    udp = UdpServer((sys.argv[1], 0), Udp)
    try:
        tcp = TcpServer(udp.server_address, Tcp)
        break
    except OSError:
        udp.server_close()
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    tcp.socket = context.wrap_socket(tcp.socket, server_side=True)
for server in (udp, tcp):
    threading.Thread(target=server.serve_forever, daemon=True).start()
print(udp.server_address[1], flush=True)
sys.stdin.read()
