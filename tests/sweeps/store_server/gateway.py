"""What a site puts before a tracking server: TLS with an authority of its own, tokens, and failures on demand."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HTML = b"<html>\r\n<head><title>Bad Gateway</title></head><body>nginx</body></html>"


@dataclass(frozen=True)
class Fault:
    """What happens to one request instead of its way through."""

    code: int = 0
    """Answered by the site itself, with a page for people; 0: the connection is cut."""
    after: bool = False
    """The server does the work first, and its answer is lost."""


@dataclass
class Site:
    """Between a client and ``upstream`` (host, port), which it asks as ``user`` with ``password``."""

    folder: Path
    upstream: tuple[str, int]
    user: str
    password: str
    token: str = "s3cret-token"
    slow_s: float = 0.0
    largest: int = 10**9
    """Bytes of a body that it lets through."""
    fault: Callable[[str, str], Fault | None] = lambda method, path: None
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    """Method, path and bytes of every request that was let through."""
    port: int = 0

    def __post_init__(self) -> None:
        certify(self.folder)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def authority(self) -> Path:
        return self.folder / "authority.pem"

    def __enter__(self) -> Site:
        methods = {f"do_{method}": _Handler.let_through for method in ("GET", "POST", "PUT", "PATCH", "DELETE")}
        handler = type("Handler", (_Handler,), {"site": self, **methods})
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "site.pem", self.folder / "site.key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._server.handle_error = lambda *args: None  # type: ignore[method-assign]  # clients that do not trust it
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def let_through(self) -> None:
        site, body = self.site, self.rfile.read(int(self.headers.get("Content-Length") or 0))
        time.sleep(site.slow_s)
        if self.headers.get("Authorization") != f"Bearer {site.token}":
            return self._say(401, b"You are not authenticated.\nPlease sign in", "text/plain")
        if len(body) > site.largest:
            return self._say(413, HTML.replace(b"Bad Gateway", b"413 Request Entity Too Large"))
        fault = site.fault(self.command, self.path)
        if fault is not None and not fault.after:
            return self._say(fault.code, HTML) if fault.code else self._cut()
        site.asked.append((self.command, self.path, len(body)))
        try:
            code, kind, answer = self._forward(body)
        except OSError:
            return self._say(502, HTML)
        return self._cut() if fault is not None else self._say(code, answer, kind)

    def _forward(self, body: bytes) -> tuple[int, str, bytes]:
        login = base64.b64encode(f"{self.site.user}:{self.site.password}".encode()).decode()
        left_out = ("host", "authorization", "connection", "transfer-encoding", "accept-encoding")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in left_out}
        connection = HTTPConnection(*self.site.upstream, timeout=60)
        try:
            connection.request(self.command, self.path, body, {**headers, "Authorization": f"Basic {login}"})
            answer = connection.getresponse()
            return answer.status, answer.headers.get("Content-Type", ""), answer.read()
        finally:
            connection.close()

    def _say(self, code: int, body: bytes, kind: str = "text/html") -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.close()

    def log_message(self, *args: Any) -> None:
        pass


def certify(folder: Path) -> None:
    """An authority, and a certificate of its for this machine: ``authority.pem``, ``site.pem``, ``site.key``."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.datetime.now(datetime.UTC)
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("authority", "site")}

    def certificate(name: str, *extensions: x509.ExtensionType) -> bytes:
        builder = x509.CertificateBuilder(
            issuer_name=named("authority"),
            subject_name=named(name),
            public_key=keys[name].public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - datetime.timedelta(days=1),
            not_valid_after=now + datetime.timedelta(days=1),
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(keys["authority"], hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    local = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")])
    folder.mkdir(parents=True, exist_ok=True)
    own = x509.SubjectKeyIdentifier.from_public_key(keys["authority"].public_key())
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(keys["authority"].public_key())
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    (folder / "authority.pem").write_bytes(
        certificate("authority", x509.BasicConstraints(ca=True, path_length=None), own, usage)
    )
    (folder / "site.pem").write_bytes(certificate("site", local, above))
    (folder / "site.key").write_bytes(
        keys["site"].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
