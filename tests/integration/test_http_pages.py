"""Web pages as clients of the face: browsers ask first, and only listed origins are let to ask and to read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

import httpx2
import pytest

from bridge_mcp.core.bearer_tokens import OAuth
from tests.cases.play_requests import played
from tests.integration.face_child import ALL, CLIENTS, running
from tests.integration.test_face_http import HEADERS, HELLO
from tests.integration.test_scopes import serving

CASE = Path(__file__).parents[1] / "cases" / "servers" / "20-preflight.txt"
PAGE = "https://inspector.example"
ASKS: Mapping[str, str] = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def address(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[str]:
    oauth = OAuth("https://login.example.org", "http://127.0.0.1:9/jwks", "https://bridge.example.org/mcp")
    options = {"clients": CLIENTS, "oauth": oauth, "allowed_origins": [f"{PAGE}/"]}
    async with running(tmp_path_factory.mktemp("pages")) as bridge, serving(bridge, **options) as address:
        yield address


async def test_the_case_of_an_inspector() -> None:
    asked, foreign, real, unknown = await played(CASE.read_text("utf-8"))
    assert asked.status == 204
    assert asked.headers["access-control-allow-origin"] == "http://localhost:6274"
    allowed = asked.headers["access-control-allow-headers"].split(", ")
    wanted = asked.request.headers["Access-Control-Request-Headers"].split(",")
    assert set(wanted) <= set(allowed)
    assert {"GET", "POST", "DELETE"} <= set(asked.headers["access-control-allow-methods"].split(", "))
    assert (foreign.status, foreign.headers) == (403, {})
    assert "allowed_origins" in foreign.error
    assert (real.status, real.headers["access-control-allow-origin"]) == (200, "http://localhost:6274")
    assert "Mcp-Session-Id" in real.headers["access-control-expose-headers"]
    assert real.headers["mcp-session-id"]
    assert (unknown.status, unknown.headers["access-control-allow-origin"]) == (401, "http://localhost:6274")
    assert "www-authenticate" in unknown.headers


async def ask(address: str, method: str, headers: Mapping[str, str], body: object = None) -> httpx2.Response:
    async with httpx2.AsyncClient() as http:
        return await http.request(method, address, headers=dict(headers), json=body)


async def test_a_browser_may_send_what_the_protocol_names_and_nothing_else(address: str) -> None:
    asked = "Mcp-Method, mcp-name,Mcp-Param-Text, x-evil, mcp-a b, authorization"
    told = await ask(address, "OPTIONS", {"origin": PAGE, **ASKS, "access-control-request-headers": asked})
    allowed = set(told.headers["access-control-allow-headers"].split(", "))
    assert told.status_code == 204
    assert {"mcp-method", "mcp-name", "mcp-param-text", "authorization"} <= allowed
    assert not {"x-evil", "cookie"} & allowed
    assert told.content == b""
    assert "access-control-allow-credentials" not in told.headers


@pytest.mark.shows("http.hosts")
@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", f"{PAGE}.evil.example", "http://inspector.example", f"{PAGE}:8443",
     "http://localhost:3000", "http://127.0.0.1"],
)  # fmt: skip
async def test_a_page_of_no_listed_origin_is_refused_before_it_sends_anything(address: str, origin: str) -> None:
    """Also pages of this machine: another program's page is not ours."""
    told = await ask(address, "OPTIONS", {"origin": origin, **ASKS})
    assert told.status_code == 403
    assert not [name for name in told.headers if name.startswith("access-control-")]


async def test_every_answer_of_a_listed_page_can_be_read_also_a_refusal(address: str) -> None:
    known = HEADERS | {"origin": PAGE, "authorization": f"Bearer {ALL}"}
    base = address.removesuffix("/mcp")
    answers = [
        (200, await ask(address, "POST", known, HELLO)),
        (400, await ask(address, "POST", known, {"id": 1})),
        (404, await ask(f"{base}/elsewhere", "POST", known, HELLO)),
        (401, await ask(address, "POST", known | {"authorization": "Bearer no"}, HELLO)),
        (200, await ask(f"{base}/.well-known/oauth-protected-resource", "GET", {"origin": PAGE})),
        (204, await ask(f"{base}/.well-known/oauth-protected-resource", "OPTIONS", {"origin": PAGE, **ASKS})),
    ]
    for status, told in answers:
        assert (told.status_code, told.headers.get("access-control-allow-origin")) == (status, PAGE)
        assert "Origin" in told.headers["vary"]


async def test_who_is_no_page_is_told_nothing_of_pages(address: str) -> None:
    told = await ask(address, "POST", HEADERS | {"authorization": f"Bearer {ALL}"}, HELLO)
    assert told.status_code == 200
    assert not [name for name in told.headers if name.startswith("access-control-")]
    plain = await ask(address, "OPTIONS", HEADERS | {"authorization": f"Bearer {ALL}"})
    assert plain.status_code == 405, "OPTIONS alone is no preflight"


@pytest.mark.parametrize("name", ["authorization", "origin"])
async def test_a_header_that_decides_may_stand_there_once_only(address: str, name: str) -> None:
    own = {"authorization": f"Bearer {ALL}", "origin": PAGE}
    headers = [*HEADERS.items(), (name, own[name]), (name, "Bearer other")]
    async with httpx2.AsyncClient() as http:
        told = await http.post(address, headers=headers, json=HELLO)
    assert told.status_code == 400
    assert f"more than one {name} header" in told.text
