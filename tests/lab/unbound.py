# SPDX-License-Identifier: ISC
"""libunbound, as a second opinion on zones: what a validating resolver makes of a name."""
import ctypes

TYPES = {"A": 1, "MX": 15, "TXT": 16, "TLSA": 52}


class Result(ctypes.Structure):
    _fields_ = [("qname", ctypes.c_char_p), ("qtype", ctypes.c_int), ("qclass", ctypes.c_int),
                ("data", ctypes.c_void_p), ("len", ctypes.c_void_p), ("canonname", ctypes.c_char_p),
                ("rcode", ctypes.c_int), ("answer_packet", ctypes.c_void_p),
                ("answer_len", ctypes.c_int), ("havedata", ctypes.c_int), ("nxdomain", ctypes.c_int),
                ("secure", ctypes.c_int), ("bogus", ctypes.c_int), ("why_bogus", ctypes.c_char_p),
                ("was_ratelimited", ctypes.c_int), ("ttl", ctypes.c_int)]


class Resolver:
    def __init__(self, zones):
        self.lib = ctypes.CDLL("libunbound.so.8")
        self.lib.ub_ctx_create.restype = ctypes.c_void_p
        self.context = ctypes.c_void_p(self.lib.ub_ctx_create())
        for option, value in (("root-hints:", zones.root_hints), ("trust-anchor-file:", zones.trust_anchor)):
            assert self.lib.ub_ctx_set_option(self.context, option.encode(), value.encode()) == 0, option

    def ask(self, name, rtype="A"):
        """secure, insecure, bogus or failed, and the rcode."""
        result = ctypes.POINTER(Result)()
        rc = self.lib.ub_resolve(self.context, name.encode(), TYPES[rtype], 1, ctypes.byref(result))
        if rc != 0:
            return "failed", -1
        answer = result.contents
        state = "secure" if answer.secure else "bogus" if answer.bogus else "insecure"
        if answer.rcode not in (0, 3) and not answer.bogus:
            state = "failed"
        told = state, answer.rcode
        self.lib.ub_resolve_free(result)
        return told
