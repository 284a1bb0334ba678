"""Fetching JARs with the real Ivy and Java, from a registry on this machine with a certificate of its own."""

import datetime
import functools
import hashlib
import http.server
import ipaddress
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from conf import jars
from conf.errors import LakehouseError
from conf.jars import Jar

CONTENT = b"stands for a JAR"
ALPHA = Jar("org.example", "alpha", "1.0", hashlib.sha256(CONTENT).hexdigest())


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def own_certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(here, critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "registry.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """The folder a registry on this machine serves; Ivy asks there, and its certificate is trusted."""
    served = tmp_path / "registry"
    served.mkdir()
    certificate = own_certificate(tmp_path)
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(served))
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    for proxy in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    _point_ivy_at(f"https://127.0.0.1:{server.server_port}", monkeypatch)
    yield served
    server.shutdown()
    server.server_close()


def _point_ivy_at(root, monkeypatch):
    settings = jars.SETTINGS.replace("<ibiblio ", f'<ibiblio root="{root}" ')
    assert settings != jars.SETTINGS
    monkeypatch.setattr(jars, "SETTINGS", settings)


def publish(served, jar, content):
    folder = served / jar.organisation.replace(".", "/") / jar.module / jar.version
    folder.mkdir(parents=True)
    (folder / jar.file).write_bytes(content)


def install(tmp_path):
    spark = tmp_path / "a spark"
    spark.mkdir(exist_ok=True)
    jars.install([ALPHA], spark, tmp_path / "stag ing")
    return spark / ALPHA.file


def test_a_jar_arrives_in_place_and_nothing_is_left_behind(registry, tmp_path):
    publish(registry, ALPHA, CONTENT)
    assert install(tmp_path).read_bytes() == CONTENT
    assert not (tmp_path / "stag ing").exists()


def test_an_altered_jar_is_refused_and_the_next_install_heals(registry, tmp_path):
    publish(registry, ALPHA, b"altered")
    with pytest.raises(LakehouseError, match="not what is pinned"):
        install(tmp_path)
    assert not (tmp_path / "a spark" / ALPHA.file).exists()
    (registry / "org/example/alpha/1.0" / ALPHA.file).write_bytes(CONTENT)
    assert install(tmp_path).read_bytes() == CONTENT


@pytest.mark.usefixtures("registry")
def test_a_jar_the_registry_lacks_is_named(tmp_path):
    with pytest.raises(LakehouseError) as failed:
        install(tmp_path)
    assert str(failed.value) == (
        "alpha-1.0.jar: cannot be fetched: the registry lacks a pinned package for this machine and Python.\n"
        "The Python packages are installed, the JARs are not. Mend that and run `make install` again: "
        f"it goes on from here. All that was said: {tmp_path / 'stag ing' / 'ivy.log'}"
    )


def test_an_unknown_certificate_is_told(registry, tmp_path, monkeypatch):
    publish(registry, ALPHA, CONTENT)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(LakehouseError, match="certificate is not trusted here"):
        install(tmp_path)


def test_an_unreachable_registry_is_told(tmp_path, monkeypatch):
    _point_ivy_at("https://127.0.0.1:9", monkeypatch)
    with pytest.raises(LakehouseError, match="the package registry cannot be reached"):
        install(tmp_path)
