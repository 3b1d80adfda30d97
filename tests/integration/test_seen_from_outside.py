"""`/healthz`, `/readyz` and `/metrics`: what a machine that watches the bridge over HTTP is told, and what not."""

from __future__ import annotations

import re
from pathlib import Path

import httpx2
import pytest

from bridge_mcp.core.events import EVENT_TYPES
from bridge_mcp.service import OWNER, Bridge
from tests.integration.face_child import ALL, CALLER, CLIENTS, READER, running
from tests.integration.setup import world
from tests.integration.test_scopes import serving

SAMPLE = re.compile(r"^bridge_mcp_\w+(\{\w+=\"(?:[^\"\\\n]|\\.)*\"(,\w+=\"(?:[^\"\\\n]|\\.)*\")*\})? [0-9.e+-]+$")


def series(text: str) -> dict[str, float]:
    """The samples of an exposition; each line has to be one, or a comment."""
    lines = [line for line in text.splitlines() if not line.startswith(("# HELP bridge_mcp_", "# TYPE bridge_mcp_"))]
    assert [line for line in lines if not SAMPLE.match(line)] == []
    return {
        name.removeprefix("bridge_mcp_"): float(value) for name, _, value in (line.rpartition(" ") for line in lines)
    }


async def scraped(address: str, token: str) -> dict[str, float]:
    async with httpx2.AsyncClient(base_url=address.removesuffix("/mcp")) as http:
        answer = await http.get("/metrics", headers={"authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return series(answer.text)


@pytest.mark.shows("http.probes")
async def test_probes_need_no_token_and_tell_nothing_else(tmp_path: Path) -> None:
    async with running(tmp_path) as bridge, serving(bridge, clients=CLIENTS) as address:
        async with httpx2.AsyncClient(base_url=address.removesuffix("/mcp"), headers={"host": "10.1.2.3"}) as http:
            for path in ("/healthz", "/readyz"):
                answer = await http.get(path)
                assert (answer.status_code, answer.text) == (200, "ok\n")
                assert "server" not in answer.headers
                assert (await http.head(path)).content == b""
                assert (await http.post(path)).status_code == 405
            assert (await http.get("/healthz/more")).status_code == 421, "all else goes by its host, and by a token"


@pytest.mark.shows("http.probes")
async def test_a_bridge_without_an_engine_is_alive_and_not_ready(tmp_path: Path) -> None:
    async with world(tmp_path, engine=False) as here:
        faceless = Bridge(
            here.store,
            here.rules,
            {name: channel.traits for name, channel in here.channels.items()},
            clock=here.clock,
            check=here.toolbox.check,
            engine_lives=lambda: False,
        )
        async with serving(faceless, clients=CLIENTS) as address:
            async with httpx2.AsyncClient(base_url=address.removesuffix("/mcp")) as http:
                assert (await http.get("/healthz")).status_code == 200
                answer = await http.get("/readyz")
                assert (answer.status_code, answer.text) == (503, "not ready\n")
            told = await scraped(address, ALL)
            assert told["engine_up"] == 0
            assert set(of(told, "channel_up").values()) == {0}


def of(told: dict[str, float], name: str) -> dict[str, float]:
    return {key: value for key, value in told.items() if key.startswith(name + "{")}


@pytest.mark.shows("http.metrics")
async def test_metrics_tell_how_the_bridge_is_without_naming_anybody(tmp_path: Path) -> None:
    async with running(tmp_path) as bridge, serving(bridge, clients=CLIENTS) as address:
        before = await scraped(address, ALL)
        assert before["engine_up"] == 1
        assert of(before, "channel_up") == {
            'channel_up{channel="family",type="fake"}': 1,
            'channel_up{channel="local",type="fake"}': 1,
        }
        assert set(of(before, "events_total").values()) == {0}
        assert len(of(before, "events_total")) == len(EVENT_TYPES)
        said = await bridge.say(OWNER, "local/private-chat", "hello")
        await bridge.wait_for(OWNER, f"turn:{said}", timeout_s=10)
        said = await bridge.say(OWNER, "local/private-chat", "delete secret-name.txt")
        asked = await bridge.wait_for_events(OWNER, after=0, types=("approval.requested",), timeout_s=10)
        assert (await scraped(address, ALL))["approvals_waiting"] == 1
        await bridge.reject_call(OWNER, str(asked.events[0].body["approval"]))
        await bridge.wait_for(OWNER, f"turn:{said}", timeout_s=10)
        after = await scraped(address, ALL)
        assert after['events_total{type="message.received"}'] == 2
        assert after['events_total{type="turn.finished"}'] == 2
        assert after['tool_calls_total{outcome="denied"}'] == 1
        assert after['verdicts_total{verdict="rejected"}'] == 1
        assert after["approvals_waiting"] == 0
        assert after.keys() == before.keys(), "what people do makes no new series"
        assert "secret-name" not in str(after)
        assert "private-chat" not in str(after)


@pytest.mark.shows("http.metrics")
async def test_metrics_are_for_a_token_with_read_and_within_its_limits(tmp_path: Path) -> None:
    async with running(tmp_path) as bridge, serving(bridge, clients=CLIENTS) as address:
        async with httpx2.AsyncClient(base_url=address.removesuffix("/mcp")) as http:
            assert (await http.get("/metrics")).status_code == 401
            refused = await http.get("/metrics", headers={"authorization": f"Bearer {CALLER}"})
            assert refused.status_code == 403
            assert "'read'" in refused.json()["error_description"]
            posted = await http.post("/metrics", headers={"authorization": f"Bearer {ALL}"})
            assert posted.status_code == 405
        limited = await scraped(address, READER)
        assert list(of(limited, "channel_up")) == ['channel_up{channel="local",type="fake"}']
        assert of(limited, "events_total") == {}, "the counts are of the whole bridge"
