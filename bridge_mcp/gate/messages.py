"""The messages that pass a gate: read so that nobody behind it can read another one, and those the gate says itself.

Most messages are passed on as the bytes they came as. Therefore one from the host is refused that two readers could
take for different things: with a name that stands twice, or one that differs from the protocol's own by its case alone
(some libraries take `Method` for `method`). And what some readers take for the end of a line is written in another
way, or they would read the rest of the message as one of its own. Knows no process.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import JSON, MESSAGE_DEPTH, read_json
from bridge_mcp.core.tools import canonical

__all__ = [
    "INVALID_PARAMS",
    "INVALID_REQUEST",
    "Body",
    "Key",
    "NotTaken",
    "answer",
    "bare_meta",
    "beside_words",
    "error",
    "from_host",
    "from_server",
    "goes_on_with",
    "is_modern",
    "key_of",
    "line",
    "notification",
    "one_line",
    "refused_call",
]

Body: TypeAlias = dict[str, JSON]
Key: TypeAlias = tuple[str, object]
"""A request's id, told from one of another type: 1 is not "1"."""

PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS = -32700, -32600, -32602

ENVELOPE = ("jsonrpc", "id", "method", "params", "result", "error")
OF_A_CALL = ("name", "arguments", "_meta", "requestState", "inputResponses", "task")
VERSION = "io.modelcontextprotocol/protocolVersion"
"""What stands in the `_meta` of every request since 2026-07-28."""

OF_THE_CALL = ("name", "arguments", "_meta")
"""The parameters of a call that are looked at by themselves; each other one may change what it does."""
OF_EACH_REQUEST = re.compile(
    r"progressToken|traceparent|tracestate|baggage"
    r"|io\.modelcontextprotocol/(protocolVersion|clientInfo|clientCapabilities|logLevel)"
)
"""What stands in the `_meta` of any request, and tells a tool nothing: the protocol's, and places in a trace."""
MAX_TOLD, MAX_CHARACTERS = 12, 300
"""How many of these people are shown, and how much of each."""

LINE_ENDS = ((b"\r", b" "), (b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"), (b"\xc2\x85", b"\\u0085"))
"""What some readers take for the end of a line, and how it is written for them."""


class NotTaken(Exception):
    """A message of the host is refused: what to answer it."""

    def __init__(self, code: int, words: str, request: JSON = None) -> None:
        super().__init__(words)
        self.code, self.words, self.request = code, words, request

    @property
    def answer(self) -> bytes:
        """The error as a message."""
        return error(self.request, self.code, self.words)


def from_host(data: bytes) -> Body:
    """A message of the host.

    Raises:
        NotTaken: it is none that is passed on.
    """
    try:
        value = read_json(data, max_depth=MESSAGE_DEPTH, unique_names=True)
    except BadJSON as exc:
        raise NotTaken(PARSE_ERROR, f"This message is not passed on. {exc}") from None
    if not isinstance(value, dict):
        raise NotTaken(INVALID_REQUEST, "This message is not passed on: it is not a single JSON object.")
    request = value.get("id")
    alike(value, ENVELOPE, request)
    if value.get("method") == "tools/call":
        check_call(value, request)
    return value


def check_call(value: Body, request: JSON) -> None:
    """Let pass a call whose tool and arguments nobody can mistake.

    Raises:
        NotTaken: its parameters are not those of a call.
    """
    params = value.get("params")
    if "id" not in value:
        raise NotTaken(INVALID_REQUEST, "A tool is called by a request, which has an id.")
    if not isinstance(params, dict) or not isinstance(params.get("name"), str):
        raise NotTaken(INVALID_PARAMS, "A call names its tool.", request)
    alike(params, OF_A_CALL, request)
    if not isinstance(params.get("arguments"), dict | None):
        raise NotTaken(INVALID_PARAMS, "The arguments of a call are an object.", request)


def alike(value: Mapping[str, JSON], names: Iterable[str], request: JSON) -> None:
    """Let pass names that nobody takes for those that are known.

    Raises:
        NotTaken: one differs from a known one by its case alone.
    """
    folded = {name.casefold() for name in names}
    for name in value:
        if name.casefold() in folded and name not in names:
            raise NotTaken(INVALID_REQUEST, f"This message is not passed on: it has '{name[:40]}' as a name.", request)


def one_line(data: bytes) -> bytes:
    """A message of the host, which means the same and has no end of a line in it for any reader.

    Many readers of text end lines at a carriage return too, and some at Unicode's own line ends. The first is space
    between tokens in JSON; the others stand in texts alone.
    """
    for end, escape in LINE_ENDS:
        data = data.replace(end, escape)
    return data


def from_server(data: bytes) -> Body | None:
    """A message of the server; None for what is none, which is passed on as it is."""
    try:
        value = read_json(data, max_depth=MESSAGE_DEPTH, odd="keep")
    except BadJSON:
        return None
    return value if isinstance(value, dict) else None


def key_of(request: JSON) -> Key:
    """An id by which a request is found again."""
    return type(request).__name__, request if isinstance(request, str | int | float) else None


def is_modern(params: Mapping[str, JSON]) -> bool:
    """Whether a request is of the protocol since 2026-07-28."""
    meta = params.get("_meta")
    return isinstance(meta, dict) and VERSION in meta


def goes_on_with(params: Mapping[str, JSON]) -> list[JSON]:
    """What makes a call another one beside its tool and arguments; nothing for most calls."""
    return [[name, params[name]] for name in sorted(params) if name not in OF_THE_CALL]


def bare_meta(params: Mapping[str, JSON]) -> Body:
    """The parameters of a call with nothing in their `_meta` but what any request has."""
    meta = params.get("_meta")
    if not isinstance(meta, dict):
        return dict(params)
    return {**params, "_meta": {name: meta[name] for name in meta if OF_EACH_REQUEST.fullmatch(name)}}


def beside_words(params: Mapping[str, JSON]) -> str:
    """What people are told that a call brings beside its arguments; "" for nothing.

    Left out is what each request has (the protocol's version, its client, its place in a trace) and what the gate takes
    care of: where progress is told. The same words mean the same: what is cut stands there as its digest.
    """
    meta = params.get("_meta")
    params_shown = [(name, params[name]) for name in sorted(params) if name not in OF_THE_CALL]
    if isinstance(meta, dict):
        params_shown += [(f"_meta {name}", meta[name]) for name in sorted(meta) if not OF_EACH_REQUEST.fullmatch(name)]
    if not params_shown:
        return ""
    words = [f"{cut(name)} = {cut(canonical(value))}" for name, value in params_shown[:MAX_TOLD]]
    hidden: list[JSON] = [[name, value] for name, value in params_shown[MAX_TOLD:]]
    more = f", and {len(hidden)} more ({digest(canonical(hidden))})" if hidden else ""
    return f"beside its arguments: {', '.join(words)}{more}"


def cut(text: str) -> str:
    """Each by itself: a long one hides no other."""
    if len(text) <= MAX_CHARACTERS:
        return text
    return f"{text[:MAX_CHARACTERS]}… ({len(text):,} characters, {digest(text)})"


def digest(text: str) -> str:
    """What tells a text from any other."""
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def refused_call(words: str, *, modern: bool) -> Body:
    """A tool's result that says why it did not run."""
    result: Body = {"content": [{"type": "text", "text": words}], "isError": True}
    return {"resultType": "complete", **result} if modern else result


def answer(request: JSON, result: Mapping[str, JSON]) -> bytes:
    """The message that answers a request."""
    return line({"jsonrpc": "2.0", "id": request, "result": dict(result)})


def error(request: JSON, code: int, words: str) -> bytes:
    """The message that answers a request with an error."""
    return line({"jsonrpc": "2.0", "id": request, "error": {"code": code, "message": words}})


def notification(method: str, params: Mapping[str, JSON]) -> bytes:
    """A message that nobody answers."""
    return line({"jsonrpc": "2.0", "method": method, "params": dict(params)})


def line(message: Mapping[str, Any]) -> bytes:
    """A message as a line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"
