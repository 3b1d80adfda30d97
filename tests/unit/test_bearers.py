"""How often a client may ask, and whose tokens are taken beside our own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from bridge_mcp.core.bearer_tokens import OAuth
from bridge_mcp.operations.tickets import call_conversation, is_call_of
from bridge_mcp.server.http.jwks import IssuerAway
from bridge_mcp.server.http.jwt import JwtVerifier, principal_of
from bridge_mcp.server.http.rate_limit import RateLimiter
from tests.servers.issuer import issuing

ISSUER = "https://login.example.org"
RESOURCE = "https://bridge.example.org/mcp"
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())


@given(st.lists(st.floats(0, 5), max_size=60), st.integers(1, 10), st.floats(0.5, 5))
def test_a_bucket_never_lets_more_through_than_its_rate_and_burst(
    backoff: list[float], burst: int, rate: float
) -> None:
    now = 0.0
    buckets = RateLimiter(rate, burst, lambda: now)
    passed = 0
    for pause in backoff:
        now += pause
        seconds = buckets.take("a")
        passed += seconds == 0
        assert passed <= burst + rate * now + 1e-6
        if seconds:
            later = now + seconds
            assert RateLimiter(rate, burst, lambda at=later: at).take("a") == 0


def test_each_name_has_its_own_and_no_limit_is_none() -> None:
    buckets = RateLimiter(1, 1, lambda: 0.0)
    assert [buckets.take(name) for name in ("a", "a", "b")] == [0, 1, 0]
    assert all(RateLimiter(0, 1).take("a") == 0 for _ in range(1000))


@pytest.fixture(scope="module")
def jwks_url() -> Iterator[str]:
    """Where the issuer's keys are."""
    with issuing(KEY) as url:
        yield url


def settings(jwks_url: str) -> OAuth:
    scopes = {"bridge.read": frozenset({"read"}), "bridge.decide": frozenset({"read", "approve"})}
    return OAuth(ISSUER, jwks_url, RESOURCE, scopes=scopes, channels=frozenset({"family"}))  # pyright: ignore[reportArgumentType]


def token(key: Any = KEY, algorithm: str = "ES256", **changes: Any) -> str:
    claims: dict[str, Any] = {
        "iss": ISSUER, "aud": RESOURCE, "exp": int(time.time()) + 600, "sub": "ann", "client_id": "agent",
        "scope": "bridge.decide openid admin",
    }  # fmt: skip
    claims = {name: value for name, value in (claims | changes).items() if value is not None}
    return jwt.encode(claims, key, algorithm, headers={"kid": "1"})


async def test_a_token_of_the_issuer_is_somebody_with_what_its_scopes_allow(jwks_url: str) -> None:
    oauth = settings(jwks_url)
    verified = await JwtVerifier(oauth).verify_token(token())
    assert verified is not None
    who = principal_of(verified, oauth)
    assert (who.name, who.scopes, who.channels) == ("oauth:agent:ann", {"read", "approve"}, {"family"})


async def test_two_tokens_never_give_one_name_and_no_name_reads_like_several(jwks_url: str) -> None:
    oauth = settings(jwks_url)
    pairs = [
        ("a", "b:c"),
        ("a:b", "c"),
        ("a, owner", "x"),
        ("a", "x y"),
        ("a", "x_y"),
        ("a", "x" * 300),
        ("a", "x" * 301),
    ]
    names: set[str] = set()
    for client, subject in pairs:
        verified = await JwtVerifier(oauth).verify_token(token(client_id=client, sub=subject))
        assert verified is not None
        names.add(principal_of(verified, oauth).name)
    assert len(names) == len({call_conversation(name, "k").rpartition(".")[0] for name in names}) == len(pairs)
    assert not any(char in name for name in names for char in " ,")
    assert max(map(len, names)) <= 201
    mine = call_conversation("oauth:a:b", "k")
    assert is_call_of(f"calls/{mine}", "oauth:a:b")
    assert not any(is_call_of(f"calls/{mine}", other) for other in ("oauth_a_b", "oauth:a_b", "oauth"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "https://elsewhere.example.org"},
        {"aud": None},
        {"iss": "https://evil.example.org"},
        {"exp": int(time.time()) - 3600},
        {"exp": None},
        {"nbf": int(time.time()) + 3600},
        {"key": OTHER},
        {"key": "a secret that is shared with somebody", "algorithm": "HS256"},
        {"key": "", "algorithm": "none"},
        {"sub": None, "client_id": None},
    ],
    ids=lambda wrong: " ".join(map(str, wrong)),
)
async def test_any_other_token_is_nobody(jwks_url: str, wrong: dict[str, Any]) -> None:
    assert await JwtVerifier(settings(jwks_url)).verify_token(token(**wrong)) is None


async def test_what_is_no_token_is_nobody_and_without_keys_nobody_knows(jwks_url: str) -> None:
    assert await JwtVerifier(settings(jwks_url)).verify_token("a.b.c") is None
    nowhere = OAuth(ISSUER, "http://127.0.0.1:9/jwks", RESOURCE)
    with pytest.raises(IssuerAway):
        await JwtVerifier(nowhere).verify_token(token())
