# SPDX-License-Identifier: ISC
"""Independent implementations of DKIM and ARC, all asked the same way: sign, verify, seal, validate.

Each takes and gives whole messages as bytes with CRLF; keys are found through the lab's name server.
"""
import dkim

from tests.lab.process import run

PERL_SIGN = r"""
use Mail::DKIM::Signer; my ($d, $s, $k) = @ARGV; binmode STDIN;
my $x = Mail::DKIM::Signer->new(Algorithm => 'rsa-sha256', Method => 'relaxed/relaxed', Domain => $d,
                                Selector => $s, KeyFile => $k);
while (<STDIN>) { $x->PRINT($_) } $x->CLOSE; print $x->signature->as_string, "\r\n";
"""
PERL_VERIFY = r"""
use Mail::DKIM::Verifier; binmode STDIN; my $x = Mail::DKIM::Verifier->new;
while (<STDIN>) { $x->PRINT($_) } $x->CLOSE; print join(' ', map { $_->result } $x->signatures), "\n";
"""
PERL_SEAL = r"""
use Mail::DKIM::ARC::Signer; my ($d, $s, $k, $id) = @ARGV; binmode STDIN;
my $x = Mail::DKIM::ARC::Signer->new(Algorithm => 'rsa-sha256', Chain => 'ar', Domain => $d, SrvId => $id,
                                     Selector => $s, KeyFile => $k, Headers => '');
while (<STDIN>) { $x->PRINT($_) } $x->CLOSE;
die $x->{details} if $x->result ne 'sealed'; print join("\r\n", $x->as_strings), "\r\n";
"""
PERL_VALIDATE = r"""
use Mail::DKIM::ARC::Verifier; binmode STDIN; my $x = Mail::DKIM::ARC::Verifier->new;
while (<STDIN>) { $x->PRINT($_) } $x->CLOSE; print $x->result, "\n";
"""


def perl(script, message, *arguments):
    done = run(["perl", "-e", script, *arguments], input=message, text=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout


def unified(fields):
    """Header fields with CRLF and one line end behind the last."""
    return b"\r\n".join(fields.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")) + b"\r\n"


class MailDkim:
    """Mail::DKIM (Perl)."""

    def __init__(self, lab):
        self.lab = lab

    def sign(self, message, domain, selector, key):
        return unified(perl(PERL_SIGN, message, domain, selector, key)) + message

    def verify(self, message):
        return perl(PERL_VERIFY, message).decode().split()

    def seal(self, message, domain, selector, key, authserv):
        return unified(perl(PERL_SEAL, message, domain, selector, key, authserv)) + message

    def validate(self, message):
        return perl(PERL_VALIDATE, message).decode().strip()


class Dkimpy:
    def __init__(self, lab):
        self.lab = lab

    def txt(self, name, timeout=5):
        found = self.lab.names.records.get((name.decode().lower(), "TXT"))
        return "".join(found[0].split('"')[1::2]).encode() if found else None

    def sign(self, message, domain, selector, key):
        with open(key, "rb") as f:
            field = dkim.sign(message, selector.encode(), domain.encode(), f.read(),
                              canonicalize=(b"relaxed", b"relaxed"))
        return field + message

    def verify(self, message):
        each = dkim.DKIM(message)
        count = sum(1 for name, _ in each.headers if name.lower() == b"dkim-signature")
        out = []
        for n in range(count):
            try:
                out.append("pass" if each.verify(idx=n, dnsfunc=self.txt) else "fail")
            except dkim.DKIMException:
                out.append("fail")
        return out

    def seal(self, message, domain, selector, key, authserv):
        with open(key, "rb") as f:
            # dkimpy looks the chain's keys up itself: through resolv.conf, which is the lab's
            fields = dkim.arc_sign(message, selector.encode(), domain.encode(), f.read(), authserv.encode())
        return b"".join(fields) + message

    def validate(self, message):
        cv, _, _ = dkim.arc_verify(message, dnsfunc=self.txt)
        return (cv or b"fail").decode()  # None: a seal itself says cv=fail; no chain at all is b"none"


class Opendkim:
    """opendkim-testmsg: verifies (it signs with rsa-sha1 only, which nobody may accept), no ARC."""

    def __init__(self, lab):
        self.lab = lab

    def sign(self, message, domain, selector, key):
        done = run(["opendkim-testmsg", "-d", domain, "-s", selector, "-k", key], input=message, text=False)
        assert done.returncode == 0, done.stderr
        out = done.stdout.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        return out

    def verify(self, message):
        return ["pass" if run(["opendkim-testmsg"], input=message, text=False).returncode == 0 else "fail"]
