"""How this machine reaches the package registries, and what it means when it does not."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import ssl
import struct
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path

CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
BUNDLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")

PASSWORD = "changeit"  # noqa: S105 - a trust store holds no secret; Java wants a password all the same
KEY_STORE_MAGIC = 0xFEEDFEED
KEY_STORE_VERSION = 2
TRUSTED = 2

REASONS = (
    (r"No space left on device|Disk quota exceeded|not enough space", "the disk is full"),
    (r"Permission denied|Read-only file system", "writing is not allowed there"),
    (r"DO NOT MATCH THE HASHES|invalid sha1|invalid md5", "what was fetched is not what is pinned"),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLHandshakeException|PKIX path",
        "the registry's certificate is not trusted here; name your bundle in SSL_CERT_FILE and PIP_CERT",
    ),
    (
        (
            r"UnknownHost|name resolution|not known|nodename nor servname|NameResolution|getaddrinfo"
            r"|Failed to establish|Network is unreachable|NoRouteToHost|Connection refused|ConnectException"
            r"|timed out|SocketException|ProxyError|Server access error"
        ),
        "the package registry cannot be reached; check the network and the proxy",
    ),
    (
        r"No matching distribution|[Nn]ot found|404",
        "the registry lacks a pinned package for this machine and Python",
    ),
)


def reason(said: str) -> str:
    """Why a fetching program failed, in a few words, judged by what it said."""
    for pattern, meaning in REASONS:
        if re.search(pattern, said):
            return meaning
    errors = re.findall(r"^ *(?:ERROR|error|\w+Error): (?!subprocess-exited)(.+)$", said, re.MULTILINE)
    return str(errors[-1]) if errors else "it did not say why"


def java_options(folder: Path, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Options that make a Java in `folder` reach the registries as Python does on this machine.

    Java keeps its own list of certificates and knows no proxy variables, so behind a company's
    proxy it would fail where pip works. Writes `trusted.jks` into `folder`.
    """
    store = folder / "trusted.jks"
    store.write_bytes(key_store(certificates(environment)))
    options = [
        f"-Djavax.net.ssl.trustStore={store}",
        "-Djavax.net.ssl.trustStoreType=JKS",
        f"-Djavax.net.ssl.trustStorePassword={PASSWORD}",
    ]
    proxy = urllib.parse.urlsplit(urllib.request.getproxies().get("https", ""))
    if proxy.hostname:
        options += [f"-Dhttps.proxyHost={proxy.hostname}", f"-Dhttps.proxyPort={proxy.port or 80}"]
    return options


def certificates(environment: Mapping[str, str] = os.environ) -> list[bytes]:
    """Every certificate (DER) that pip, Python or this machine trusts, each once, in a fixed order."""
    import certifi

    named = [Path(environment[name]) for name in BUNDLES if environment.get(name)]
    default = ssl.get_default_verify_paths().cafile
    found: dict[bytes, None] = {}
    for bundle in [*named, *([Path(default)] if default else []), SYSTEM_BUNDLE, Path(certifi.where())]:
        if bundle.is_file():
            for text in CERTIFICATE.findall(bundle.read_bytes()):
                found[base64.b64decode(text)] = None
    return list(found)


def key_store(trusted: Iterable[bytes]) -> bytes:
    """A Java key store (JKS) that trusts the given certificates (DER).

    Made here because the bundled Java comes without keytool.
    """
    entries = [_entry(number, certificate) for number, certificate in enumerate(trusted)]
    body = struct.pack(">III", KEY_STORE_MAGIC, KEY_STORE_VERSION, len(entries)) + b"".join(entries)
    salt = PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite"
    return body + hashlib.sha1(salt + body, usedforsecurity=False).digest()


def _entry(number: int, certificate: bytes) -> bytes:
    alias = str(number).encode()
    made = 0
    return b"".join(
        [
            struct.pack(">IH", TRUSTED, len(alias)) + alias,
            struct.pack(">QH", made, len(b"X.509")) + b"X.509",
            struct.pack(">I", len(certificate)) + certificate,
        ]
    )
