"""An authorization server's keys, on loopback; also one that answers otherwise, or not at all."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

__all__ = ["answering", "issuing", "silent"]


def issuing(key: ec.EllipticCurvePrivateKey) -> AbstractContextManager[str]:
    """The address of a JWKS that holds this key's public half, as key `1`."""
    public: dict[str, Any] = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return answering(200, json.dumps({"keys": [public | {"kid": "1", "use": "sig", "alg": "ES256"}]}).encode())


@contextmanager
def answering(status: int, body: bytes, **headers: str) -> Generator[str]:
    """The address of a server that gives this answer to everybody."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/jwks"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def silent() -> Generator[str]:
    """The address of a server that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/jwks"
