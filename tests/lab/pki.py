# SPDX-License-Identifier: ISC
"""Certification authorities, certificates good and bad, and the TLSA records that belong to them."""
import datetime
import hashlib
import os

from cryptography import x509
from cryptography.hazmat.backends.openssl.backend import backend as openssl
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def now():
    return datetime.datetime.utcnow().replace(microsecond=0)


class Certificate:
    """A leaf (or CA) with its key and issuer; `chain` is what a server sends."""

    def __init__(self, folder, stem, certificate, key, issuers=()):
        self.certificate, self.key, self.issuers = certificate, key, list(issuers)
        self.chain_file, self.key_file = (os.path.join(folder, stem + end) for end in (".pem", ".key"))
        with open(self.chain_file, "wb") as f:
            f.write(b"".join(pem(c) for c in [certificate] + [i.certificate for i in self.issuers]))
        with open(self.key_file, "wb") as f:
            f.write(private_bytes(key))
        os.chmod(self.chain_file, 0o644)
        os.chmod(self.key_file, 0o644)  # test keys: the relay reads them as another user

    def der(self):
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def spki(self):
        return self.certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    def tlsa(self, usage=3, selector=1, matching=1):
        """The rdata of a TLSA record for this certificate, as text."""
        data = self.spki() if selector else self.der()
        digest = {0: lambda d: d, 1: lambda d: hashlib.sha256(d).digest(),
                  2: lambda d: hashlib.sha512(d).digest()}[matching](data)
        return f"{usage} {selector} {matching} {digest.hex()}"

    def pin(self):
        return "sha256:" + hashlib.sha256(self.spki()).hexdigest()


def private_bytes(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


class Authority:
    """A CA; `certificate.chain_file` is the trust anchor file."""

    count = 0

    def __init__(self, folder, name="Lab CA", parent=None):
        Authority.count += 1
        self.folder, self.name, self.parent = folder, name, parent
        key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(f"ca{Authority.count}", name, key, [], ca=True,
                                      issuer=parent.certificate if parent else None)
        self.file = self.certificate.chain_file

    def leaf(self, *names, stem=None, days=(-1, 90), key=None, cn=None, sans=True):
        """A certificate for DNS names. `days`: validity relative to today; (-9, -1) is expired."""
        Authority.count += 1
        return self._sign(stem or f"{(names or ('none',))[0].replace('*', 'any')}.{Authority.count}",
                          cn if cn is not None else (names or ("none",))[0], key or new_key("ec"),
                          names if sans else (), days=days, issuer=self.certificate,
                          issuers=self._path())

    def _path(self):
        path, at = [], self
        while at.parent:
            path.append(at.certificate)
            at = at.parent
        return path

    def _sign(self, stem, cn, key, names, ca=False, days=(-1, 90), issuer=None, issuers=()):
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn[:64])])
        builder = (x509.CertificateBuilder().subject_name(subject)
                   .issuer_name(issuer.certificate.subject if issuer else subject)
                   .public_key(key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(now() + days[0] * DAY).not_valid_after(now() + days[1] * DAY)
                   .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
                   .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False))
        if ca:
            builder = builder.add_extension(x509.KeyUsage(
                digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
                key_encipherment=False, data_encipherment=False, key_agreement=False,
                encipher_only=False, decipher_only=False), critical=True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(
                [alternative(n) for n in names]), critical=False)
        signer = issuer.key if issuer else key
        certificate = builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey)
                                   else hashes.SHA256())
        return Certificate(self.folder, stem, certificate, key, issuers)


def alternative(name):
    """A DNS name, or email: or uri: and another."""
    kind, _, text = name.partition(":")
    return {"email": x509.RFC822Name, "uri": x509.UniformResourceIdentifier}[kind](text) if text else x509.DNSName(name)


def self_signed(folder, *names, days=(-1, 90)):
    """A leaf that nobody vouches for."""
    Authority.count += 1
    lone = Authority.__new__(Authority)
    lone.folder = folder
    return Authority._sign(lone, f"self{Authority.count}", names[0], new_key("ec"), names, days=days)


def new_key(kind="ec", bits=2048):
    if kind == "rsa":
        return rsa.generate_private_key(65537, bits)
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1())


def large_key(path):
    """An RSA key from a file, its primes taken on trust: to prove them takes seconds where the key is as large as odd hosts
    have it."""
    skips = hasattr(openssl, "_rsa_skip_check_key")  # later versions of the library take it as an argument
    more = {} if skips else {"unsafe_skip_rsa_key_validation": True}
    if skips:
        openssl._rsa_skip_check_key = True
    try:
        with open(path, "rb") as f:
            return serialization.load_pem_private_key(f.read(), None, **more)
    finally:
        if skips:
            openssl._rsa_skip_check_key = False
