"""A Key Vault and the authority that gives tokens for it, over HTTPS on loopback.

Belongs here: what the services' documentation says of requests and answers ("Authentication, requests and
responses", "Key Vault REST API reference: Get Secret", OpenID Connect's metadata). Does not: any expectation.
"""

import json
import ssl
import threading
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

TENANT, TOKEN = "11111111-2222-3333-4444-555555555555", "a-token-of-the-double"
CLIENT = "66666666-7777-8888-9999-000000000000"
CLIENT_SECRET = "what-the-client-signs-in-with"
PRINCIPAL = f"appid={CLIENT};oid=aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"


@dataclass(frozen=True)
class Fault:
    """One answer that is no secret."""

    status: int
    code: str = ""
    said: str = "no"
    headers: dict[str, str] = field(default_factory=dict[str, str])
    hangs: bool = False


@dataclass
class KeyVaultDouble:
    """Its secrets, {name: versions, oldest first}, and the faults of the next answers; `asked` is a log.

    `resource` is what the challenge says that tokens are for, where it is not this host.
    """

    folder: Path
    days_left: int = 2
    secrets: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    faults: deque[Fault] = field(default_factory=deque[Fault])
    asked: list[str] = field(default_factory=list[str])
    challenged: int = 0
    signs_in: bool = True
    resource: str = ""
    over: threading.Event = field(default_factory=threading.Event)

    def put(self, name: str, value: str) -> str:
        """Write a new version of a secret; return it."""
        versions = self.secrets.setdefault(name, {})
        version = f"{len(versions) + 1:032x}"
        versions[version] = value
        return version

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which a process signs in here, and trusts this server."""
        return {
            "AZURE_AUTHORITY_HOST": f"https://{self.host}", "AZURE_TENANT_ID": TENANT,
            "AZURE_CLIENT_ID": CLIENT, "AZURE_CLIENT_SECRET": CLIENT_SECRET,
            "REQUESTS_CA_BUNDLE": str(self.folder / "key_vault.pem"),
        }  # fmt: skip

    @contextmanager
    def served(self) -> Generator["KeyVaultDouble"]:
        """Serve it for the length of the block; `host` is 127.0.0.1:PORT."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate())
        server.socket = context.wrap_socket(server.socket, server_side=True)
        self.host = f"127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.over.set()
            server.shutdown()
            server.server_close()
            thread.join()

    def _certificate(self) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=30))
            .not_valid_after(now + timedelta(days=self.days_left))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
            .sign(key, hashes.SHA256())
        )
        file = self.folder / "key_vault.pem"
        file.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return file


def _handler(double: KeyVaultDouble) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            root = f"https://{double.host}/{TENANT}"
            if path.endswith("/.well-known/openid-configuration"):
                self._answer(200, {
                    "issuer": f"{root}/v2.0", "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
                    "token_endpoint": f"{root}/oauth2/v2.0/token",
                })  # fmt: skip
            elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
                double.challenged += 1
                # The resource has to be the end of the host: a vault's is vault.azure.net.
                resource = double.resource or double.host.partition(".")[2]
                challenge = f'Bearer authorization="{root}", resource="https://{resource}"'
                self._answer(401, _error("Unauthorized", "no token"), {"WWW-Authenticate": challenge})
            else:
                self._secret(*(path.strip("/").split("/")[1:]))

        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if double.signs_in and CLIENT_SECRET in form:
                self._answer(200, {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})
            else:
                said = "AADSTS7000222: The provided client secret keys for app are expired."
                self._answer(401, {"error": "invalid_client", "error_description": said})

        def _secret(self, name: str, version: str = "") -> None:
            double.asked.append(name)
            if double.faults:
                fault = double.faults.popleft()
                if fault.hangs:
                    double.over.wait()
                    return
                self._answer(fault.status, _error(fault.code, fault.said), fault.headers)
                return
            versions = double.secrets.get(name, {})
            version = version or next(reversed(versions), "")
            if version not in versions:
                said = f"A secret with (name/id) {name}/{version} was not found in this key vault."
                self._answer(404, _error("SecretNotFound", said))
                return
            there = f"https://{double.host}/secrets/{name}/{version}"
            self._answer(200, {"value": versions[version], "id": there, "attributes": {"enabled": True}})

        def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler


def _error(code: str, said: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": said}}
