"""A server that says what a test tells it to, byte by byte, and keeps what it was sent."""

import datetime as dt
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Say = Callable[[socket.socket, threading.Event], None]


@dataclass
class CannedServer:
    port: int
    heard: list[bytes] = field(default_factory=list)
    """Each request, with its body."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def saying(say: Say | bytes, tls: ssl.SSLContext | None = None) -> Iterator[CannedServer]:
    """`say` gets each connection after its request, and an event that is set at the end."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = CannedServer(listener.getsockname()[1])
    over = threading.Event()
    speak = _once(say) if isinstance(say, bytes) else say

    def serve() -> None:
        while not over.is_set():
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    _answer(connection, tls, speak, server.heard, over)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        over.set()
        with suppress(OSError), socket.create_connection(("127.0.0.1", server.port), 1):
            pass
        thread.join(10)
        listener.close()


def _answer(
    connection: socket.socket,
    tls: ssl.SSLContext | None,
    speak: Say,
    heard: list[bytes],
    over: threading.Event,
) -> None:
    connection.settimeout(5)
    if tls is not None:
        connection = tls.wrap_socket(connection, server_side=True)
    with connection:
        request = _whole_request(connection)
        if request:
            heard.append(request)
            speak(connection, over)


def _whole_request(connection: socket.socket) -> bytes:
    """Empty when the other side hung up. What is left unread would reset the connection."""
    request = b""
    missing = 1
    while missing > 0:
        received = connection.recv(65536)
        if not received:
            return b""
        request += received
        head, end, body = request.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        missing = int(length[1] if length else 0) - len(body) if end else 1
    return request


def _once(answer: bytes) -> Say:
    return lambda connection, _over: connection.sendall(answer)


def drip(start: bytes, pause_s: float = 0.02) -> Say:
    """`start`, and then a byte now and then, for as long as somebody listens."""

    def speak(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(start)
        while not over.wait(pause_s):
            connection.sendall(b"x")

    return speak


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """For a server at 127.0.0.1: its side of TLS, and the file that makes a client believe it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificates, private = folder / "cert.pem", folder / "key.pem"
    certificates.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates, private)
    return context, certificates
