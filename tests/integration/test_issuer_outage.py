"""An issuer that does not answer, and strangers with made-up tokens: who waits, who works on, and what it costs."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from bridge_mcp.core.bearer_tokens import OAuth, hash_token
from bridge_mcp.core.policy import SCOPES, Principal
from bridge_mcp.server.http import jwks
from bridge_mcp.server.http.auth import (
    AT_ONCE,
    STRANGERS_AT_ONCE,
    UNCHECKED_AT_ONCE,
    Authenticator,
    AuthMiddleware,
)
from tests.integration.face_child import ALL, CLIENTS, running
from tests.integration.test_face_http import post
from tests.integration.test_oauth_http import ISSUER, KEY, RESOURCE, token
from tests.integration.test_oauth_http import SCOPES as ISSUED
from tests.integration.test_scopes import serving
from tests.servers.issuer import answering, issuing, silent

FORGED = ec.generate_private_key(ec.SECP256R1())
OWN = "one-of-our-own-tokens-0123456789"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


def made_up(kid: str = "k") -> str:
    """A token that looks right in everything but its signature."""
    claims = {"iss": ISSUER, "aud": RESOURCE, "exp": int(time.time()) + 600, "sub": "eve", "client_id": "x"}
    return jwt.encode(claims, FORGED, "ES256", headers={"kid": kid})


class Door:
    """A gate alone, and how often it let somebody in."""

    def __init__(self, jwks_url: str, *, anybody: Principal | None = None) -> None:
        oauth = OAuth(ISSUER, jwks_url, RESOURCE, scopes=ISSUED)
        known = {hash_token(OWN): Principal("own", scopes=frozenset(SCOPES), via="mcp")}
        self.entered = 0
        self.hold: asyncio.Event | None = None
        self.gate = AuthMiddleware(
            self._app, Authenticator(known, anybody, None, oauth), path="/mcp", hosts=frozenset(), oauth=oauth
        )

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.entered += 1
        if self.hold is not None:
            await self.hold.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def knock(self, shown: str | None, address: str = "192.0.2.1") -> tuple[int, dict[bytes, bytes]]:
        headers = [] if shown is None else [(b"authorization", f"Bearer {shown}".encode())]
        told: list[Any] = []

        async def send(message: Any) -> None:
            told.append(message)

        async def receive() -> Any:
            raise AssertionError("no stranger's body is read")

        scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": headers, "client": (address, 1)}
        await self.gate(scope, receive, send)
        return told[0]["status"], dict(told[0]["headers"])

    async def status(self, shown: str | None, address: str = "192.0.2.1") -> int:
        return (await self.knock(shown, address))[0]


async def every(asks: Sequence[Callable[[], Awaitable[int]]]) -> Counter[int]:
    """The statuses of requests that are made at once."""
    return Counter(await asyncio.gather(*(ask() for ask in asks)))


async def test_strangers_fill_no_worker_thread_while_the_issuer_hangs() -> None:
    with silent() as url:
        door = Door(url)
        crowd = asyncio.create_task(every([lambda n=n: door.status(made_up(f"k{n}")) for n in range(200)]))
        await asyncio.sleep(0.1)
        began = time.monotonic()
        await asyncio.gather(*(anyio.to_thread.run_sync(time.monotonic) for _ in range(40)))
        assert await door.status(OWN) == 200, "who is known here does not wait for the issuer"
        assert time.monotonic() - began < jwks.FETCH_S / 2
        assert not crowd.done()
        crowd.cancel()


async def test_the_issuer_that_hangs_is_given_up_and_told_and_not_asked_at_once_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jwks, "FETCH_S", 0.2)
    with silent() as url:
        door = Door(url)
        found = await every([lambda n=n: door.status(made_up(f"k{n}")) for n in range(60)])
        assert found == {503: STRANGERS_AT_ONCE, 429: 60 - STRANGERS_AT_ONCE}
        began = time.monotonic()
        status, headers = await door.knock(made_up(), "192.0.2.9")
        assert (status, 1 <= int(headers[b"retry-after"]) <= 5) == (503, True)
        assert time.monotonic() - began < 0.2, "the failure is remembered"


async def test_made_up_tokens_cost_one_fetch() -> None:
    with issuing(KEY) as url:
        door = Door(url)
        found = await every([lambda n=n: door.status(made_up(f"k{n}")) for n in range(400)])
        assert found == {401: STRANGERS_AT_ONCE, 429: 400 - STRANGERS_AT_ONCE}
        assert await door.status(token(), "192.0.2.7") == 200


async def test_many_addresses_together_have_a_limit_too_and_those_of_a_network_are_one() -> None:
    with issuing(KEY) as url:
        door = Door(url)
        far = [lambda n=n: door.status(made_up(), f"198.51.{n // 200}.{n % 200}") for n in range(1000)]
        assert (await every(far))[429] >= 1000 - UNCHECKED_AT_ONCE - 60
        near = [lambda n=n: door.status("x", f"2001:db8::{n:x}") for n in range(100)]
        assert (await every(near))[401] <= STRANGERS_AT_ONCE + 5
        assert await door.status(OWN, "2001:db8::1") == 200


async def test_good_tokens_are_not_counted_as_strangers() -> None:
    """Behind a proxy all come from one address."""
    with issuing(KEY) as url:
        door = Door(url)
        seen = token(sub="seen")
        assert await door.status(seen) == 200
        for number in range(STRANGERS_AT_ONCE * 3):
            assert await door.status(token(sub=f"u{number}")) == 200
        assert (await every([lambda: door.status("wrong") for _ in range(60)]))[429] >= 60 - STRANGERS_AT_ONCE - 1
        assert await door.status(seen) == 200, "a token that was checked goes on to work beside a flood"


async def test_who_was_checked_goes_on_to_work_when_the_issuer_is_gone() -> None:
    with issuing(KEY) as url:
        door = Door(url)
        good = token()
        assert await door.status(good) == 200
    for _ in range(5):
        assert await door.status(good) == 200
    assert await door.status(token(sub="bob")) == 200, "the keys are still known"
    assert await door.status(made_up("1")) == 401


def odd_token(head: bytes, body: bytes) -> str:
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (head, body, b"sig"))


HEAD = b'{"alg":"ES256","kid":"1"}'
GOOD = {"iss": ISSUER, "aud": RESOURCE, "exp": 99999999999}


@pytest.mark.parametrize(
    "shown",
    [
        "..", "a.b.c", "é.é.é", "x" * 40_000 + ".b.c", odd_token(b"[" * 30_000, b"{}"), odd_token(HEAD, b"[" * 30_000),
        odd_token(HEAD, b'{"a":' * 9_000), odd_token(b"[]", b"[]"), odd_token(b'{"alg":[]}', b"{}"),
        odd_token(b'{"alg":"none"}', json.dumps(GOOD).encode()),
        odd_token(b'{"alg":"ES256","kid":7}', json.dumps(GOOD).encode()),
        odd_token(b'{"alg":"ES256","kid":"1","jku":"http://127.0.0.1:9/"}', json.dumps(GOOD).encode()),
        odd_token(b'{"alg":"ES256","kid":"1","crit":["x"]}', json.dumps(GOOD).encode()),
        *(odd_token(HEAD, json.dumps(GOOD).replace("99999999999", odd).encode())
          for odd in ("1e999", "NaN", "-1", '"x"', "[]", "null", "true", "9" * 5000)),
    ],
    ids=lambda shown: f"{shown[:24]}…{len(shown)}",
)  # fmt: skip
async def test_whatever_is_shown_as_a_token_is_refused_in_words(shown: str) -> None:
    with issuing(KEY) as url:
        assert await Door(url).status(shown) == 401


@pytest.mark.parametrize("shown", ["wrong", "", "a.b.c", OWN[:-1]])
async def test_a_wrong_token_is_never_let_in_as_loopback(shown: str) -> None:
    anybody = Principal("loopback", "client", frozenset({"read"}), via="mcp")
    with answering(200, b'{"keys": []}') as url:
        door = Door(url, anybody=anybody)
        assert await door.status(None) == 200
        assert await door.status(shown) == 401
        assert door.entered == 1


async def test_a_wrong_token_beside_tokens_of_the_store_is_not_loopback_either(tmp_path: Path) -> None:
    async with running(tmp_path) as bridge, serving(bridge, insecure_loopback=True) as address:
        assert (await post(address)).status_code == 200
        for wrong in ("Bearer wrong", "Bearer", "Basic x", ""):
            assert (await post(address, authorization=wrong)).status_code == 401


async def test_one_client_cannot_have_all_requests_under_way() -> None:
    door = Door("http://127.0.0.1:9/jwks", anybody=Principal("loopback", "client", frozenset({"read"}), via="mcp"))
    door.hold = asyncio.Event()
    asked = [asyncio.create_task(door.status(OWN)) for _ in range(AT_ONCE + 20)]
    while door.entered < AT_ONCE:
        await anyio.lowlevel.checkpoint()
    other = asyncio.create_task(door.status(None))
    while door.entered < AT_ONCE + 1:
        await anyio.lowlevel.checkpoint()
    door.hold.set()
    assert Counter(await asyncio.gather(*asked)) == {200: AT_ONCE, 429: 20}
    assert await other == 200


async def test_an_outage_over_http_in_words(tmp_path: Path) -> None:
    with answering(500, b"") as url:
        oauth = OAuth(ISSUER, url, RESOURCE, scopes=ISSUED)
        async with running(tmp_path) as bridge, serving(bridge, clients=CLIENTS, oauth=oauth) as address:
            refused = await post(address, authorization=f"Bearer {token()}")
            assert (refused.status_code, refused.json()["error"]) == (503, "temporarily_unavailable")
            assert "issuer's keys cannot be fetched" in refused.json()["error_description"]
            assert int(refused.headers["retry-after"]) >= 1
            assert (await post(address, authorization=f"Bearer {ALL}")).status_code == 200
