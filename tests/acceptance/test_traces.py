"""Traces by OpenTelemetry: one turn is one trace, whatever processes had a part in it, and one of them was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.acceptance.parts import COMMAND, Home
from tests.acceptance.test_serving import running, until
from tests.servers.otlp_collector import Received, collector

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
WORDS = "delete the diary.txt"
CALL_SPANS = ("approval files__delete_file", "execute_tool files__delete_file")


@asynccontextmanager
async def host(home: Home) -> AsyncGenerator[Client]:
    """The published client at a face of its own."""
    child = StdioServerParameters(
        command=COMMAND, args=[], env=home.environment(OTEL_BSP_SCHEDULE_DELAY="100"), cwd=str(home.work)
    )
    with (home.root / "stderr.log").open("a", encoding="utf-8") as log:
        async with Client(stdio_client(child, log)) as client:
            yield client


async def said(client: Client, tool: str, meta: dict[str, Any] | None = None, **arguments: Any) -> Any:
    with anyio.fail_after(60):
        result = await client.call_tool(tool, arguments, meta=meta)  # pyright: ignore[reportArgumentType]
    assert not result.is_error, result.content
    return result.structured_content


@pytest.mark.shows("telemetry.one-trace")
async def test_a_turn_with_a_kill_and_a_verdict_from_elsewhere_is_one_trace(home: Home) -> None:
    with collector() as found:
        home.scripted(f'connect_timeout_s = 120\n[telemetry]\nendpoint = "{found.address}"\n')
        (home.work / "files" / "the diary.txt").write_text("x", "utf-8")
        with running(home, "serve") as engine:
            until(engine.stderr, "this process is the engine now")
            async with host(home) as client:
                given = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "vendor=1"}
                turn = await said(client, "run_turn", given, conversation="desk/main", text=WORDS, wait_s=0)
                while not turn["approvals"]:
                    turn = await said(client, "wait_for", ticket=turn["id"], timeout_s=1)
                os.kill(engine.pid, signal.SIGKILL)
                engine.wait()
                await anyio.to_thread.run_sync(home.run, "approvals", "approve", turn["approvals"][0])
                while turn["state"] != "done":
                    turn = await said(client, "wait_for", ticket=turn["id"], timeout_s=10)
                assert turn["text"] == "Deleted the diary.txt."
                wanted = ("invoke_agent", "chat scripted", *CALL_SPANS, "tools/call run_turn")
                spans = await anyio.to_thread.run_sync(found.until, *wanted)
    check_trace(spans)


def check_trace(spans: list[Received]) -> None:
    """All spans of the turn are of the client's trace, and each hangs below another one of it."""
    own = {span.name: span for span in spans if span.trace == TRACE}
    turn, call = own["invoke_agent"], own["execute_tool files__delete_file"]
    request = own["tools/call run_turn"]
    assert (request.kind, request.parent) == ("SPAN_KIND_SERVER", SPAN)
    assert turn.parent == request.id
    assert {span.name for span in spans if span.parent == turn.id} == {"chat scripted", *CALL_SPANS}
    assert sum(span.name == "chat scripted" for span in spans) == 2, "before the kill, and after it"
    assert (call.error, call.attributes["bridge.outcome"]) == (False, "ok")
    assert call.attributes["mcp.method.name"] == "tools/call"
    assert own["approval files__delete_file"].attributes["bridge.via"] == "cli"
    assert turn.attributes["gen_ai.operation.name"] == "invoke_agent"
    ids = {span.id for span in spans if span.trace == TRACE}
    assert all(span.parent in ids for span in spans if span.trace == TRACE and span is not request)
    assert "diary" not in json.dumps([span.attributes for span in spans]), "no text, no argument, no result"


@pytest.mark.shows("telemetry.off")
@pytest.mark.parametrize("on", [False, True])
def test_what_is_off_is_not_loaded(home: Home, on: bool) -> None:
    with collector() as found:
        home.scripted(f'[telemetry]\nendpoint = "{found.address}"\ncontents = true\n' if on else "")
        command = [sys.executable, "-X", "importtime", "-m", "bridge_mcp", "say", "plain/main", "hello", "--wait"]
        env = home.environment(OTEL_METRIC_EXPORT_INTERVAL="100")
        done = subprocess.run(command, env=env, cwd=home.work, capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout == "echo: hello\n"
        assert ("opentelemetry.sdk" in done.stderr) == on
        assert ("opentelemetry.exporter" in done.stderr) == on
        if on:
            with running(home, "serve"):
                spans = found.until("invoke_agent")
            (turn,) = [span for span in spans if span.name == "invoke_agent"]
            assert json.loads(str(turn.attributes["gen_ai.input.messages"]))[0]["parts"][0]["content"] == "hello"
            assert json.loads(str(turn.attributes["gen_ai.output.messages"]))[0]["parts"][0]["content"] == "echo: hello"


@pytest.mark.shows("telemetry.collector")
def test_what_a_collector_did_not_take_is_sent_once_it_does(home: Home) -> None:
    with collector() as found:
        found.refuses = True
        home.scripted(f'[telemetry]\nendpoint = "{found.address}"\n')
        with running(home, "serve", OTEL_METRIC_EXPORT_INTERVAL="200") as engine:
            until(engine.stderr, "this process is the engine now")
            home.run("say", "plain/main", "hello", "--wait")
            assert found.refused.wait(30)
            found.refuses = False
            spans = found.until("invoke_agent", "chat scripted")
            assert len({span.id for span in spans}) == len(spans)
            named = found.until_metrics("bridge.turn.duration", "gen_ai.client.operation.duration")
            for metric in named:
                labels = {pair.key for point in metric.histogram.data_points for pair in point.attributes}
                assert not {"gen_ai.conversation.id", "gen_ai.tool.call.id", "bridge.decided_by"} & labels
            engine.send_signal(signal.SIGTERM)
            assert engine.wait(20) == 0


def test_an_endpoint_that_is_none_is_told(home: Home) -> None:
    home.write('[telemetry]\nendpoint = "localhost:4318"\n')
    told = home.run("status", code=1)
    assert "telemetry.endpoint: this is not an http or https address." in told
