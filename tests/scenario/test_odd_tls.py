# SPDX-License-Identifier: ISC
"""Hosts with odd certificates, keys and handshakes, where nobody demands a proof: the mail is encrypted all the
same, wherever OpenSSL as a server and any other client would manage it (cases 72 and 73)."""
import os
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, ed448, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.lab.pki import DAY, Certificate, large_key, now, pem

HERE = os.path.dirname(os.path.abspath(__file__))
LARGE = os.path.join(HERE, "..", "unit", "data", "rsa-8448.key")


def usage(**given):
    names = ("digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign "
             "crl_sign encipher_only decipher_only").split()
    return x509.KeyUsage(**{n: given.get(n, False) for n in names})


def odd(lab, key=None, extensions=(), names=("mx.dest.test",), digest=hashes.SHA256(), days=(-1, 90), chain=0):
    """A self-signed certificate with its oddities; `chain`: so many further ones are sent behind it."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "odd")])
    builder = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
               .serial_number(x509.random_serial_number())
               .not_valid_before(now() + days[0] * DAY).not_valid_after(now() + days[1] * DAY)
               .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    plain = isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey))
    made = Certificate(lab.ca.folder, "odd", builder.sign(key, None if plain else digest), key)
    with open(made.chain_file, "ab") as f:
        f.write(pem(lab.ca.certificate.certificate) * chain)
    return made


KINDS = {
    "good": lambda lab: odd(lab),
    "eleven certificates": lambda lab: odd(lab, chain=10),
    "sixty certificates": lambda lab: odd(lab, chain=59),
    "a key of 8448 bits": lambda lab: odd(lab, large_key(LARGE)),
    "a key of 1024 bits": lambda lab: odd(lab, rsa.generate_private_key(65537, 1024)),
    "Ed25519": lambda lab: odd(lab, ed25519.Ed25519PrivateKey.generate()),
    "Ed448": lambda lab: odd(lab, ed448.Ed448PrivateKey.generate()),
    "P-521": lambda lab: odd(lab, ec.generate_private_key(ec.SECP521R1())),
    "a key that may not sign": lambda lab: odd(lab, extensions=[(usage(crl_sign=True), True)]),
    "an RSA key that may not sign": lambda lab: odd(lab, rsa.generate_private_key(65537, 2048),
                                                    [(usage(crl_sign=True), True)]),
    "a key for clients": lambda lab: odd(
        lab, extensions=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), True)]),
    "an unknown critical extension": lambda lab: odd(
        lab, extensions=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]),
    "2,500 names": lambda lab: odd(lab, names=[f"host{n}.a-rather-long-name.example" for n in range(2500)]),
    "long expired": lambda lab: odd(lab, days=(-2000, -1000)),
    "SHA-512": lambda lab: odd(lab, digest=hashes.SHA512()),
}


@pytest.mark.parametrize("demand", ["opportunistic", "encrypt"])
@pytest.mark.parametrize("kind", KINDS)
def test_case_73_what_only_a_proof_would_need_costs_no_encryption(lab, kind, demand):
    mx = lab.mx("mx.dest.test", domains="dest.test", tls=KINDS[kind](lab))
    mx.ciphers = "DEFAULT:@SECLEVEL=0"
    relay = lab.relay(delivery={"tls": demand, "memory": {"level": "off"}}).start()
    relay.send("a@dest.test")
    assert relay.wait("delivered", to="a@dest.test")["tls"].startswith("TLS")
    assert mx.messages[0].tls and not relay.events("tls-failure") and not relay.events("tls-refused")


@pytest.mark.parametrize("demand", ["opportunistic", "encrypt"])
def test_case_73_a_server_that_rejects_names_is_asked_without(lab, demand):
    """The fatal alert unrecognized_name, as some servers answer every name but their own."""
    mx = lab.mx("mx.dest.test", domains="dest.test")
    mx.name_alert = ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    relay = lab.relay(delivery={"tls": demand, "memory": {"level": "off"}}).start()
    relay.send("a@dest.test")
    assert relay.wait("delivered", to="a@dest.test")["tls"].startswith("TLS")
    assert not mx.messages[0].session.sni
