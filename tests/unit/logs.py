"""Short ways to write logs in tests."""

from __future__ import annotations

from bridge_mcp.core.entries import (
    Asked,
    Call,
    Entry,
    Finished,
    Heard,
    Judged,
    Logged,
    Replied,
    Sender,
    Started,
    Verdict,
    call_id,
)
from bridge_mcp.core.tools import ToolSpec, call_digest, parse_arguments

ANN = Sender("7", "Ann")


def log(*entries: Entry, at: float = 1000.0, first: int = 0) -> list[Logged]:
    """Entries in their places, one second apart."""
    return [Logged(first + n, at + n, entry) for n, entry in enumerate(entries)]


def heard(text: str = "hi", key: str = "m1") -> Heard:
    return Heard(text, ANN, key)


def model_started(turn: int = 0) -> Started:
    return Started("model", turn=turn)


def tool_started(call: str, tool: str = "files__read", *, repeatable: bool = False) -> Started:
    return Started("tool", call=call, tool=tool, arguments="{}", cleared_by="policy", repeatable=repeatable)


def replied(text: str = "", *tools: str, started: int = 1, turn: int = 0) -> Replied:
    calls = tuple(Call(call_id(started, n), tool, "{}", model_id=f"call_{n}") for n, tool in enumerate(tools))
    return Replied(text, calls, started, turn=turn)


def asked(call: str, tool: str = "files__delete", *, expires_at: float = 0.0) -> Asked:
    spec = spec_of(tool)
    return Asked(
        call, spec.server, tool, arguments="{}", digest=call_digest(spec, parse_arguments("{}")), expires_at=expires_at
    )


def judged(call: str, verdict: Verdict = "approved", note: str = "") -> Judged:
    return Judged(call, verdict, "ann", note=note)


def finished(call: str, content: str = "done") -> Finished:
    return Finished(call, "ok", content)


def spec_of(name: str, *, read_only: bool = False, idempotent: bool = False) -> ToolSpec:
    server, _, tool = name.partition("__")
    return ToolSpec(
        name,
        server,
        tool,
        description=f"{tool}.",
        schema='{"type":"object"}',
        read_only=read_only,
        idempotent=idempotent,
    )


TOOLS = {
    "files__read": spec_of("files__read", read_only=True),
    "files__delete": spec_of("files__delete"),
    "files__put": spec_of("files__put", idempotent=True),
}
