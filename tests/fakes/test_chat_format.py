"""The strict reading of the chat format: what it lets pass, and each thing that it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers.model_apis.chat_format import chat_problems

USER = {"role": "user", "content": "hi"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
PDF = "data:application/pdf;base64,AAAA"


def call(call_id: str = "call_1", name: str = "files__read", arguments: str = "{}") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def assistant(*calls: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": "", "tool_calls": list(calls)}


def result(call_id: str = "call_1") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": "done"}


def tool(name: str = "files__read", **schema: Any) -> dict[str, Any]:
    parameters = schema or {"type": "object", "properties": {}}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def test_a_whole_conversation_passes() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        USER,
        assistant(call("a"), call("b")),
        result("b"),
        result("a"),
        {"role": "assistant", "content": "Done."},
        {"role": "user", "content": [{"type": "text", "text": "Thanks."}]},
        assistant(call("c")),
        {**result("c"), "content": [{"type": "text", "text": "drawn"}]},
        {"role": "user", "content": [IMAGE, {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}}]},
    ]
    assert chat_problems({"model": "m", "messages": messages, "tools": [tool()]}) == ()


REFUSED: list[tuple[list[Any], str]] = [
    ([], "at least one message"),
    (["hi"], "messages.0: an object is required"),
    ([{"role": "robot", "content": "hi"}], "messages.0.role"),
    ([{"role": "user", "content": ""}], "must not be empty"),
    ([{"role": "user", "content": None}], "messages.0.content: text is required"),
    ([{"role": "user", "content": []}], "a text or a list of parts"),
    ([{"role": "user", "content": [{"text": "hi"}]}], "content.0: an object with a type, one of text, image_url"),
    ([{"role": "user", "content": [{"type": "pdf", "pdf": "x"}]}], "one of text, image_url"),
    ([USER, assistant(call()), {**result(), "content": [IMAGE]}], "only a user's message may hold an image_url"),
    ([{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}], "image_url: it is not of its shape"),
    ([{"role": "user", "content": [{"type": "file", "file": {"file_data": PDF}}]}], "file: it is not of its shape"),
    ([{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}], "input_audio: it is not of its"),
    ([{"role": "assistant", "content": None}], "messages.0.content: text is required"),
    ([{"role": "user", "content": "hi", "tool_calls": [call()]}], "only an assistant's message has calls"),
    ([USER, assistant(call())], "never answered: call_1"),
    ([USER, assistant(call()), USER, result()], "not answered directly behind them: call_1"),
    ([USER, result()], "must answer a call of the assistant's message before it"),
    ([USER, assistant(call()), result(), result()], "messages.3: a tool message must answer"),
    ([USER, assistant(call(), call()), result(), result()], "the ids are not unique"),
    ([USER, {"role": "assistant", "content": "x", "tool_calls": []}], "at least one call"),
    ([USER, assistant({**call(), "type": "tool"}), result()], "an id and the type 'function'"),
    ([USER, assistant({"id": "call_1", "type": "function"}), result()], "function: an object is required"),
    ([USER, assistant(call(name="a b")), result()], "'a b' is not a legal name"),
    ([USER, assistant(call(arguments="[]")), result()], "the text of a JSON object"),
    ([USER, assistant(call(arguments="{")), result()], "the text of a JSON object"),
    ([USER, {**assistant(call()), "content": None}, result()], "messages.1.content: text is required"),
    ([USER, {"role": "assistant", "content": ""}, USER], "messages.1.content: this text must not be empty"),
    ([USER, {"role": "system", "content": "Be brief."}], "only the first message may have the role 'system'"),
    ([USER, USER], "Unexpected role 'user' after role 'user'"),
    ([{"role": "assistant", "content": "hi"}, USER], "must begin with a user's message"),
    ([USER, {"role": "assistant", "content": "hi"}], "must end with a user's message"),
    ([USER, assistant(call("a" * 41)), result("a" * 41)], "does not match"),
    ([USER, assistant(call("f:0")), result("f:0")], "does not match"),
    ([USER, assistant(call()), result(), assistant(call()), result()], "'call_1' stands for 2 calls"),
]


@pytest.mark.parametrize(("messages", "told"), REFUSED)
def test_messages_are_refused(messages: list[Any], told: str) -> None:
    problems = chat_problems({"model": "m", "messages": messages})
    assert told in "; ".join(problems)


@pytest.mark.parametrize(
    ("tools", "told"),
    [
        ([], "at least one tool"),
        ([{"type": "function"}], "tools.0: the type 'function' and a function"),
        ([tool("x" * 65)], "is not a legal name"),
        ([tool(type="object")], "a schema of type object with properties"),
        ([tool(type="string", properties={})], "a schema of type object with properties"),
        ([tool(), tool()], "the names are not unique"),
        ([tool(f"t{number}") for number in range(129)], "maximum length 128"),
        ([tool(type="object", properties={}, required=None)], "None is not valid under 'required'"),
        ([tool(type="object", properties={"a": {"type": "array"}})], "array schema missing items"),
        ([tool(type="object", properties={"a": None})], "None is not a schema"),
        ([tool(type="object", properties={"a": {"enum": []}})], "should be non-empty"),
        ([tool(type="object", properties={}, anyOf=[{}])], "at the top level"),
    ],
)
def test_tools_are_refused(tools: list[Any], told: str) -> None:
    assert told in "; ".join(chat_problems({"model": "m", "messages": [USER], "tools": tools}))


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("alternate", "Unexpected role 'user' after role 'tool'"),
        ("nine", "does not match ^[A-Za-z0-9]{9}$"),
        ("reasoning", "must be passed back"),
        ("signature", "missing a thought_signature"),
    ],
)
def test_some_providers_want_more(wanted: str, told: str) -> None:
    body = {"model": "m", "messages": [USER, assistant(call()), result(), USER]}
    assert chat_problems(body) == ()
    assert told in "; ".join(chat_problems(body, {wanted}))


def test_a_model_is_needed() -> None:
    assert chat_problems({"messages": [USER]}) == ("model: a string is required",)
