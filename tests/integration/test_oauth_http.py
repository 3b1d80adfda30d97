"""The bridge as an OAuth resource server, over HTTP: what it tells of itself, whose tokens it takes, and until when."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from bridge_mcp.core.bearer_tokens import OAuth
from bridge_mcp.core.policy import Scope
from tests.integration.face_child import ALL, CLIENTS, running
from tests.integration.face_clients import ERAS, answer, over_http, refusal
from tests.integration.test_face_http import HELLO, post
from tests.integration.test_scopes import serving
from tests.servers.issuer import issuing

ISSUER = "https://login.example.org"
RESOURCE = "https://bridge.example.org/mcp"
KEY, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
SCOPES: dict[str, frozenset[Scope]] = {"chat.read": frozenset({"read"}), "chat.send": frozenset({"read", "send"})}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def jwks_url() -> Iterator[str]:
    """Where the issuer's keys are."""
    with issuing(KEY) as url:
        yield url


@pytest.fixture
async def address(tmp_path: Path, jwks_url: str) -> AsyncGenerator[str]:
    oauth = OAuth(ISSUER, jwks_url, RESOURCE, audience=RESOURCE, scopes=SCOPES, channels=frozenset({"local"}))
    async with running(tmp_path) as bridge, serving(bridge, clients=CLIENTS, oauth=oauth) as address:
        yield address


def token(key: Any = KEY, **changes: Any) -> str:
    claims = {"iss": ISSUER, "aud": RESOURCE, "exp": int(time.time()) + 600, "sub": "ann", "client_id": "agent",
              "scope": "chat.read"} | changes  # fmt: skip
    return jwt.encode(claims, key, "ES256", headers={"kid": "1"})


async def test_a_stranger_finds_the_authorization_server(address: str) -> None:
    """As RFC 9728 says: from the refusal to the metadata, and from there to the issuer."""
    for headers in ({}, {"authorization": f"Bearer {token(OTHER)}"}, {"authorization": "Bearer a.b.c"}):
        refused = await post(address, **headers)
        assert refused.status_code == 401
        challenge = refused.headers["www-authenticate"]
        assert challenge == (
            'Bearer realm="bridge-mcp", error="invalid_token", '
            'resource_metadata="https://bridge.example.org/.well-known/oauth-protected-resource/mcp"'
        )
    base = address.removesuffix("/mcp")
    async with httpx2.AsyncClient() as http:
        for path in ("/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"):
            told = await http.get(base + path)
            assert (told.status_code, told.headers["content-type"]) == (200, "application/json")
            assert told.json() == {
                "resource": RESOURCE, "authorization_servers": [ISSUER], "scopes_supported": ["chat.read", "chat.send"],
                "bearer_methods_supported": ["header"], "resource_name": "bridge-mcp",
            }  # fmt: skip
        rebound = await http.get(f"{base}/.well-known/oauth-protected-resource", headers={"host": "evil.example"})
        assert rebound.status_code == 421, "not even that is told to a page that came by another name"


@pytest.mark.shows("http.oauth")
@pytest.mark.parametrize("era", ERAS)
async def test_a_token_of_the_issuer_lets_in_as_far_as_its_scopes_go(address: str, era: str) -> None:
    async with over_http(era, address, token()) as reader:
        names = {tool.name for tool in (await reader.list_tools()).tools}
        assert "read_messages" in names
        assert not {"send_message", "approve_call", "list_pairings"} & names
        code, message, _ = await refusal(reader, "send_message", conversation="local/main", text="hi")
        assert (code, message) == ("denied", "This needs the scope 'send'; oauth:agent:ann has: read.")
        assert (await refusal(reader, "read_messages", conversation="family/42"))[0] == "not_found"
    async with over_http(era, address, token(scope="chat.send chat.admin admin approve", sub="bob")) as writer:
        sent = await answer(writer, "send_message", conversation="local/main", text=f"by {era}")
        page = await answer(writer, "read_messages", conversation="local/main", limit=1)
        assert [(m["id"], m["author"]["name"]) for m in page["messages"]] == [(sent["message"], "oauth:agent:bob")]
        assert (await refusal(writer, "list_pairings"))[0] == "denied", "their words mean what the owner says"
    async with over_http(era, address, ALL) as own:
        assert await answer(own, "get_status"), "tokens of our own hold beside"


@pytest.mark.shows("http.oauth")
@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://elsewhere.example.org"},
        {"iss": "https://evil.example.org"},
        {"exp": int(time.time()) - 3600},
        {"nbf": int(time.time()) + 3600},
        {"key": OTHER},
    ],
    ids=["audience", "issuer", "expired", "not yet", "key"],
)
async def test_a_token_for_somebody_else_or_of_another_time_lets_nobody_in(
    address: str, changes: dict[str, Any]
) -> None:
    assert (await post(address, authorization=f"Bearer {token(**changes)}")).status_code == 401


async def test_what_is_open_ends_with_its_token(address: str) -> None:
    """A token that ran out a moment ago is known, because clocks differ, and what it opens ends at once."""
    headers = {"authorization": f"Bearer {token(exp=int(time.time()) - 1)}"}
    refused = await post(address, HELLO, **headers)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token")


async def test_no_session_of_one_subject_is_anothers(address: str) -> None:
    opened = await post(address, authorization=f"Bearer {token()}")
    session = opened.headers["mcp-session-id"]
    listing: dict[str, Any] = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}
    stolen = await post(address, listing, authorization=f"Bearer {token(sub='bob')}", **{"mcp-session-id": session})
    assert stolen.status_code == 404
    own = await post(address, listing, authorization=f"Bearer {token()}", **{"mcp-session-id": session})
    assert own.status_code == 200
