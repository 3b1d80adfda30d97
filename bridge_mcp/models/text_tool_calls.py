"""Tools for models without tool calling: described in the system prompt, and their calls parsed from the text.

The result is the same as from a model with tool calling, malformed calls included: the check of arguments refuses those
with the reason, which the model sees as their result. Knows no provider.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby

from msgspec.structs import replace

from bridge_mcp.core.entries import Call
from bridge_mcp.core.errors import BadJSON
from bridge_mcp.core.json_reader import read_json
from bridge_mcp.core.tools import ToolSpec
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models.text_call_parser import split
from bridge_mcp.ports import ModelReply, ModelRequest, OnText

__all__ = ["in_words", "out_of_words", "without_calls"]

MANUAL = """\
You can use tools. To use one, write a block like this, with one JSON object in it:

```tool_call
{"tool": "NAME", "arguments": {"some": "value"}}
```

For several calls at once, write several blocks. Write nothing behind them, and wait: the results come in the next
message. Never make up a result. When you need no tool, just answer in plain words, without such a block.

The tools, each with the JSON schema of its arguments:
"""


def in_words(request: ModelRequest) -> ModelRequest:
    """The same request with tools, calls and results as text, and alternating roles, as small models need them."""
    messages = list(request.messages)
    if request.tools:
        manual = MANUAL + "\n".join(map(described, request.tools))
        if messages and messages[0].role == "system":
            messages[0] = replace(messages[0], text=f"{messages[0].text}\n\n{manual}")
        else:
            messages.insert(0, ChatMessage("system", manual))
    return replace(request, messages=tuple(merged([spoken(message) for message in messages])), tools=())


def described(spec: ToolSpec) -> str:
    return f"- {spec.name}: {' '.join(spec.description.split())}\n  {spec.schema}"


def spoken(message: ChatMessage) -> ChatMessage:
    """One message, with its calls or result as text."""
    if message.role == "tool":
        tool = message.call.tool if message.call else "a tool"
        return ChatMessage("user", f"[Result of {tool}]\n{message.text}", attachments=message.attachments)
    if message.calls:
        blocks = "\n".join(map(block, message.calls))
        return ChatMessage(message.role, f"{message.text}\n{blocks}".strip(), attachments=message.attachments)
    return replace(message, text=message.told, about="")


def block(call: Call) -> str:
    """A call in the form that the model is asked to write."""
    try:
        arguments = read_json(call.arguments) if call.arguments.strip() else {}
    except BadJSON:
        arguments = call.arguments
    body = json.dumps({"tool": call.tool, "arguments": arguments}, ensure_ascii=False)
    return f"```tool_call\n{body}\n```"


def merged(messages: Sequence[ChatMessage]) -> Iterator[ChatMessage]:
    """The messages, with neighbours of the same role merged."""
    for _, group in groupby(messages, key=lambda message: message.role):
        first, *others = group
        text = "\n\n".join(message.text for message in (first, *others) if message.text)
        files = tuple(file for message in (first, *others) for file in message.attachments)
        yield replace(first, text=text, attachments=files) if others else first


def out_of_words(reply: ModelReply, tools: Sequence[ToolSpec]) -> ModelReply:
    """The reply, with the calls in its text as calls."""
    if reply.calls:
        return reply
    text, calls = split(reply.text, frozenset(spec.name for spec in tools))
    return replace(reply, text=text, calls=calls)


def without_calls(on_text: OnText, tools: Sequence[ToolSpec]) -> OnText:
    """Passes on a growing text without calls, and without an end that may become one."""
    names = frozenset(spec.name for spec in tools)
    last = ""

    def pass_on(text: str) -> None:
        nonlocal last
        prose = split(text, names, whole=False)[0] if text else ""
        if prose != last or not text:
            last = prose
            on_text(prose)

    return pass_on
