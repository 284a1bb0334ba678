"""Reaching the registries: whom Java is told to trust, and what a failure is said to mean."""

import base64

import pytest

from conf import fetching

# As pip, Ivy and Python say it.
SAID = {
    "OSError: [Errno 28] No space left on device": "the disk is full",
    "java.io.IOException: No space left on device": "the disk is full",
    "ERROR: Could not install due to an OSError: [Errno 13] Permission denied: '/x'": "not allowed",
    "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.": "not what is pinned",
    "invalid sha1: expected=1 computed=2": "not what is pinned",
    "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed": "certificate is not trusted",
    "Server access error (javax.net.ssl.SSLHandshakeException)": "certificate is not trusted",
    "[Errno -3] Temporary failure in name resolution')': /simple/x/": "cannot be reached",
    "[Errno 8] nodename nor servname provided, or not known')': /simple/x/": "cannot be reached",
    "Server access error at url x (java.net.UnknownHostException: x)": "cannot be reached",
    "ERROR: No matching distribution found for pyspark==4.2.0": "lacks a pinned package",
    ":: io.delta#delta-storage;4.4.0: not found": "lacks a pinned package",
    "  error: subprocess-exited-with-error\n  error: no such folder\nhint: See above": "no such folder",
    "": "it did not say why",
}


@pytest.mark.parametrize(("said", "meaning"), SAID.items())
def test_reason(said, meaning):
    assert meaning in fetching.reason(said)


def test_unreachable_is_told_before_not_found():
    said = "Failed to establish a new connection\nERROR: No matching distribution found for x"
    assert "cannot be reached" in fetching.reason(said)


def test_certificates_named_in_the_environment_are_trusted_once(tmp_path):
    der = b"stands for a certificate"
    bundle = tmp_path / "ours.pem"
    text = base64.b64encode(der).decode()
    bundle.write_text(2 * f"a comment\n-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    trusted = fetching.certificates({"SSL_CERT_FILE": str(bundle), "PIP_CERT": str(tmp_path / "gone.pem")})
    assert trusted[0] == der
    assert len(trusted) == len(set(trusted)) > 1


def test_java_is_told_of_the_proxy(tmp_path, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    options = fetching.java_options(tmp_path)
    assert {"-Dhttps.proxyHost=proxy.example", "-Dhttps.proxyPort=3128"} < set(options)
