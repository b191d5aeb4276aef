# SPDX-License-Identifier: ISC
"""Postfix from Debian in a folder of its own: as an MX with TLS into a maildir, or as a client that hands
everything to a relayhost with SASL and TLS."""
import os
import re
import shutil

from tests.lab import world
from tests.lab.process import must, run
from tests.lab.wait import until

MASTER = """\
{listen}
pickup    unix  n - n 1 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 1 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
virtual   unix  - n n - - virtual
tlsproxy  unix  - - n - 0 tlsproxy
tlsmgr    unix  - - n 1000? 1 tlsmgr
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


class Postfix:
    def __init__(self, lab, name, address, port, settings):
        self.lab, self.name, self.address, self.port = lab, name, address, port
        self.folder = lab.folder("postfix." + name)
        os.chmod(self.folder, 0o755)
        self.config, self.queue, self.mail = (os.path.join(self.folder, d)
                                              for d in ("etc", "queue", "mail"))
        for folder in (self.config, self.queue, self.mail, os.path.join(self.folder, "data")):
            os.mkdir(folder, 0o755)
        shutil.chown(os.path.join(self.folder, "data"), "postfix")
        shutil.chown(self.mail, "nobody")
        self.log = os.path.join(self.folder, "log")
        self.write(settings)
        world.assign(address)
        must(["postfix", "-c", self.config, "start"])
        lab.at_end(self.close)
        until(lambda: run(["postfix", "-c", self.config, "status"]).returncode == 0, "Postfix")

    def write(self, settings):
        main = {
            "compatibility_level": "3.6", "myhostname": self.name, "mydestination": "",
            "queue_directory": self.queue, "data_directory": os.path.join(self.folder, "data"),
            "inet_protocols": "all", "inet_interfaces": self.address, "mynetworks": "127.0.0.0/8",
            "maillog_file": self.log, "maillog_file_prefixes": "/tmp, /var",
            "alias_maps": "", "alias_database": "", "local_recipient_maps": "",
            "message_size_limit": "104857600", "mailbox_size_limit": "0", "virtual_mailbox_limit": "0",
            "smtpd_tls_loglevel": "1", "smtp_tls_loglevel": "1", "smtp_address_preference": "ipv4",
            "smtpd_tls_session_cache_database": "", "maximal_backoff_time": "2s",
            "minimal_backoff_time": "1s", "queue_run_delay": "1s", "smtputf8_enable": "yes",
        }
        main.update(settings)
        with open(os.path.join(self.config, "main.cf"), "w", encoding="ascii") as f:
            f.writelines(f"{k} = {v}\n" for k, v in main.items())
        listen = f"{self.port} inet n - n - - smtpd" if self.port else "# takes no mail over TCP"
        with open(os.path.join(self.config, "master.cf"), "w", encoding="ascii") as f:
            f.write(MASTER.format(listen=listen))

    def submit(self, sender, rcpts, message):
        """By its sendmail command, as a program on its machine does; LF or CRLF line ends."""
        must(["sendmail", "-C", self.config, "-i", "-f", sender, *rcpts], input=message, text=False)

    def logged(self, pattern):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return re.findall(pattern, f.read())

    def mails(self):
        """The files of the maildir, oldest first, as bytes with LF line ends (Postfix writes so)."""
        found = []
        for folder, _, names in os.walk(self.mail):
            if os.path.basename(folder) == "new":
                found += [os.path.join(folder, n) for n in names]
        return [open(p, "rb").read() for p in sorted(found, key=os.path.getmtime)]

    def wait(self, count=1, bound=None):
        found = until(lambda: (m := self.mails()) if len(self.mails()) >= count else None,
                      lambda: f"{count} mails at Postfix {self.name}; its log:\n" + self.tail(), bound)
        return found[0] if count == 1 else found

    def tail(self):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as f:
                return f.read()[-30000:]
        except OSError:
            return "(none)"

    def close(self):
        run(["postfix", "-c", self.config, "abort"])


def receiver(lab, host, address, certificate, domains, **settings):
    """An MX for `domains` that offers TLS and keeps everything in a maildir."""
    return Postfix(lab, host, address, 25, {
        "smtpd_tls_security_level": "may", "smtpd_tls_chain_files":
            f"{certificate.key_file}, {certificate.chain_file}",
        "virtual_mailbox_domains": " ".join(domains), "virtual_mailbox_maps": "static:box/",
        "virtual_mailbox_base": "$queue_directory/../mail", "virtual_uid_maps": "static:65534", "virtual_gid_maps": "static:65534",
        "virtual_minimum_uid": "100", "virtual_transport": "virtual", "smtpd_tls_received_header": "yes",
        "smtpd_recipient_restrictions": "permit_mynetworks, reject_unauth_destination", **settings})


def client(lab, name, relay, user, password, address="127.0.0.1", port=None, **settings):
    """A Postfix that sends everything through relayhost `relay` ("[127.0.0.1]:587")."""
    return Postfix(lab, name, address, port, {
        "relayhost": relay, "smtp_sasl_auth_enable": "yes", "smtp_sasl_security_options": "noanonymous",
        "smtp_sasl_password_maps": f"static:{user}:{password}", "smtp_tls_security_level": "encrypt",
        "smtp_sasl_tls_security_options": "noanonymous", **settings})
