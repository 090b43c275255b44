"""A mail server (RFC 5321) that takes mail, asks for a password, and can be told to refuse.

Belongs here: what a client of SMTP meets. Does not: expectations.
"""

import base64
import socketserver
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

USER, PASSWORD = "sluice", "p@ss:w0rd/smtp"


@dataclass
class MailDouble:
    """What was taken; `replies` {verb: reply} are given in place of the usual, for a time."""

    tls: ssl.SSLContext | None = None
    replies: dict[str, str] = field(default_factory=dict[str, str])
    refused: frozenset[str] = frozenset()
    taken: list[tuple[list[str], EmailMessage]] = field(default_factory=list[Any])
    encrypted: list[bool] = field(default_factory=list[bool])

    @contextmanager
    def serving(self) -> Generator[str]:
        """Serve for the length of the block; yields "localhost:PORT"."""
        double = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                double._talk(self)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        with Server(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            try:
                yield f"localhost:{server.server_address[1]}"
            finally:
                server.shutdown()

    def _talk(self, peer: Any) -> None:
        recipients, secure, known = list[str](), False, False

        def say(text: str) -> None:
            peer.wfile.write(f"{text}\r\n".encode())

        def hear() -> str:
            return peer.rfile.readline().decode().rstrip("\r\n")

        say("220 mail.example ESMTP")
        while line := hear():
            verb = line.split(":")[0].split(" ")[0].upper()
            if reply := self.replies.get(verb):
                say(reply)
            elif verb in ("EHLO", "HELO"):
                say("250-mail.example")
                if self.tls and not secure:
                    say("250-STARTTLS")
                say("250 AUTH PLAIN LOGIN")
            elif verb == "STARTTLS" and self.tls:
                say("220 go ahead")
                try:
                    peer.connection = self.tls.wrap_socket(peer.connection, server_side=True)
                except OSError:
                    return
                peer.rfile, peer.wfile = peer.connection.makefile("rb"), peer.connection.makefile("wb", 0)
                secure = True
            elif verb == "AUTH":
                given = (
                    base64.b64decode(line.split(" ")[2]).decode().split("\0")[1:] if "PLAIN" in line else []
                )
                known = given == [USER, PASSWORD]
                say("235 welcome" if known else "535 5.7.8 bad credentials")
            elif verb == "MAIL":
                recipients = []
                say("250 ok" if known or not self.tls else "530 5.7.0 authentication required")
            elif verb == "RCPT":
                address = line.partition("<")[2].partition(">")[0]
                say("550 5.1.1 nobody of this name" if address in self.refused else "250 ok")
                recipients += [] if address in self.refused else [address]
            elif verb == "DATA":
                say("354 go on")
                lines = list[str]()
                while (text := hear()) != ".":
                    lines.append(text.removeprefix("."))
                mail = message_from_bytes("\r\n".join(lines).encode(), policy=policy.default)
                assert isinstance(mail, EmailMessage)
                self.taken.append((recipients, mail))
                self.encrypted.append(secure)
                say("250 taken")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok" if verb in ("RSET", "NOOP") else "502 not known")


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return the context of a server named localhost, and the file of the authority that vouches for it."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem, secret = folder / "localhost.pem", folder / "localhost.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, secret)
    return context, pem
