"""The keys of a token issuer: fetched together, never too often, and good through an outage."""

from __future__ import annotations

import json
from collections.abc import Sequence

import anyio
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from bridge_mcp.server.http import jwks
from bridge_mcp.server.http.jwks import IssuerAway, IssuerKeys, fetch_keys
from tests.servers.issuer import answering

KEY = ec.generate_private_key(ec.SECP256R1())


def keys(*names: str) -> bytes:
    public = ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
    return json.dumps({"keys": [public | {"kid": name, "use": "sig"} for name in names]}).encode()


class Issuer:
    """Answers fetches by a script; without more of it, by the last of its answers."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.answers: Sequence[bytes | Exception] = answers
        self.fetches = 0
        self.now = 1000.0
        self.keys = IssuerKeys("http://issuer.example/jwks", self.fetch, lambda: self.now)

    async def fetch(self, url: str) -> bytes:
        await anyio.lowlevel.checkpoint()
        found = self.answers[min(self.fetches, len(self.answers) - 1)]
        self.fetches += 1
        if isinstance(found, Exception):
            raise found
        return found

    async def ask(self, kid: str) -> str:
        """How asking for a key ends."""
        try:
            return str((await self.keys.key(kid)).key_id)
        except IssuerAway:
            return "away"
        except jwt.PyJWKClientError:
            return "unknown"


async def test_many_at_once_share_one_fetch() -> None:
    issuer = Issuer(keys("a"))
    found: list[str] = []

    async def one(kid: str) -> None:
        found.append(await issuer.ask(kid))

    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(one, "a" if number % 2 else f"made-up-{number}")
    assert (issuer.fetches, found.count("a"), found.count("unknown")) == (1, 25, 25)


async def test_a_made_up_key_has_nothing_fetched_until_the_cooldown_is_over() -> None:
    issuer = Issuer(keys("a"), keys("a"), keys("a", "new"))
    assert await issuer.ask("a") == "a"
    for number in range(100):
        issuer.now += 0.29
        assert await issuer.ask(f"made-up-{number}") == "unknown"
    assert issuer.fetches == 1
    issuer.now += 2
    assert [await issuer.ask("new"), issuer.fetches] == ["unknown", 2]
    issuer.now += jwks.COOLDOWN_S
    assert [await issuer.ask("new"), issuer.fetches] == ["new", 3], "a key that was rotated in is found then"


async def test_a_failed_fetch_is_remembered_and_the_pauses_grow() -> None:
    issuer = Issuer(OSError("down"))
    began, at = issuer.now, list[float]()
    while issuer.now < began + 1000:
        before = issuer.fetches
        assert await issuer.ask("a") == "away"
        if issuer.fetches > before:
            at.append(issuer.now - began)
        issuer.now += 1
    assert at == [0, 5, 15, 35, 75, 155, 275, 395, 515, 635, 755, 875, 995]
    issuer.answers = [keys("a")]
    issuer.now += jwks.LONGEST_PAUSE_S
    assert await issuer.ask("a") == "a"


async def test_known_keys_hold_through_an_outage_and_not_for_ever() -> None:
    issuer = Issuer(keys("a"), TimeoutError())
    assert await issuer.ask("a") == "a"
    for _ in range(10):
        issuer.now += 350
        assert await issuer.ask("a") == "a"
        await anyio.lowlevel.checkpoint()
    assert 1 < issuer.fetches <= 12
    issuer.now += jwks.STALE_S
    assert await issuer.ask("a") == "away"


async def test_a_key_that_its_issuer_takes_back_is_known_no_longer() -> None:
    issuer = Issuer(keys("a", "b"), keys("b"))
    assert await issuer.ask("a") == "a"
    issuer.now += jwks.FRESH_S + 1
    await issuer.ask("a")  # which has them looked at
    await anyio.sleep(0.01)
    assert [await issuer.ask("a"), await issuer.ask("b"), issuer.fetches] == ["unknown", "b", 2]


@pytest.mark.parametrize(
    "body",
    [b"", b"no", b"[]", b'{"keys": 1}', b'{"keys": [{}]}', b"[" * 100_000, b'{"keys": [{"kty": "RSA"}]}', b"\xff"],
    ids=lambda body: body[:12].decode("latin-1"),
)
async def test_an_answer_that_is_no_key_set_is_an_outage(body: bytes) -> None:
    assert await Issuer(body).ask("a") == "away"


async def test_what_is_fetched_is_bounded_and_no_redirect_is_followed() -> None:
    with answering(200, b" " * (jwks.MAX_KEYS + 1)) as large, answering(200, keys("a")) as good:
        assert await fetch_keys(good) == keys("a")
        with pytest.raises(ValueError, match="more than 524,288 bytes"):
            await fetch_keys(large)
        with answering(302, b"", location=good) as elsewhere, pytest.raises(ValueError, match="HTTP 302"):
            await fetch_keys(elsewhere)
