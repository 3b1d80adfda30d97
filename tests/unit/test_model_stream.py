"""Chunks put together: what providers send in pieces, and in how many odd ways they do it."""

from __future__ import annotations

import json

import pytest

from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.tools import JSON
from bridge_mcp.models.openai_responses import read_completion
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.models.stream_accumulator import StreamAccumulator
from bridge_mcp.ports import ModelReply
from tests.servers.model_apis.answers import Answer, calling, saying
from tests.servers.model_apis.streams import cut_into_chunks

SETTINGS = ModelSettings("default", "m")


def chunk(finish: str | None = None, **delta: JSON) -> JSON:
    return {"model": "m-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call(index: int | None, call_id: str | None, name: str | None, arguments: JSON) -> JSON:
    function: dict[str, JSON] = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    told: dict[str, JSON] = {"function": function}
    if index is not None:
        told["index"] = index
    if call_id is not None:
        told["id"] = call_id
    return chunk(tool_calls=[told])


def assembled(*chunks: JSON, seen: list[str] | None = None) -> ModelReply:
    assembly = StreamAccumulator(SETTINGS, None if seen is None else seen.append)
    for each in chunks:
        assembly.add(each)
    return read_completion(SETTINGS, assembly.checked(), latency_s=1.0)


DONE = chunk("stop")
WHOLE = [("a", "x__one", '{"p": 1}'), ("b", "x__two", "{}")]

WAYS: dict[str, list[JSON]] = {
    "as documented, by turns": [
        call(0, "a", "x__one", ""),
        call(1, "b", "x__two", ""),
        call(0, None, None, '{"p"'),
        call(1, None, None, "{"),
        call(0, None, None, ": 1}"),
        call(1, None, None, "}"),
    ],
    "later ids and names are empty": [
        call(0, "a", "x__one", '{"p"'),
        call(0, "", "", ": 1}"),
        call(1, "b", "x__two", "{"),
        call(1, "", "", "}"),
    ],
    "ids and names with every delta": [
        call(0, "a", "x__one", '{"p"'),
        call(1, "b", "x__two", "{"),
        call(0, "a", "x__one", ": 1}"),
        call(1, "b", "x__two", "}"),
    ],
    "without indexes": [
        call(None, "a", "x__one", '{"p"'),
        call(None, None, None, ": 1}"),
        call(None, "b", "x__two", "{"),
        call(None, None, None, "}"),
    ],
    "without indexes, by turns": [
        call(None, "a", "x__one", '{"p"'),
        call(None, "b", "x__two", "{"),
        call(None, "a", None, ": 1}"),
        call(None, "b", None, "}"),
    ],
    "all at index 0": [
        call(0, "a", "x__one", '{"p"'),
        call(0, None, None, ": 1}"),
        call(0, "b", "x__two", "{"),
        call(0, None, None, "}"),
    ],
    "all at index 0, by turns": [
        call(0, "a", "x__one", '{"p"'),
        call(0, "b", "x__two", "{"),
        call(0, "a", None, ": 1}"),
        call(0, "b", None, "}"),
    ],
    "whole, in one chunk": [
        chunk(
            tool_calls=[
                {"index": 0, "id": "a", "function": {"name": "x__one", "arguments": '{"p": 1}'}},
                {"index": 1, "id": "b", "function": {"name": "x__two", "arguments": "{}"}},
            ]
        ),
    ],
    "arguments as objects": [call(0, "a", "x__one", {"p": 1}), call(1, "b", "x__two", {})],
    "a whole message for a delta": [
        {
            "choices": [
                {
                    "message": {
                        "tool_calls": [
                            {"id": "a", "function": {"name": "x__one", "arguments": '{"p": 1}'}},
                            {"id": "b", "function": {"name": "x__two", "arguments": "{}"}},
                        ]
                    }
                }
            ]
        }
    ],
}


@pytest.mark.parametrize("way", WAYS)
def test_parallel_calls_are_put_together(way: str) -> None:
    reply = assembled(*WAYS[way], chunk("tool_calls"))
    assert [(each.id, each.tool, each.arguments) for each in reply.calls] == WHOLE


def test_calls_without_ids_get_some() -> None:
    reply = assembled(call(None, None, "x__one", "{}"), call(None, None, "x__two", "{}"), DONE)
    assert [each.tool for each in reply.calls] == ["x__one", "x__two"]
    assert len({each.id for each in reply.calls}) == 2


def test_the_text_grows_and_is_told_whole_each_time() -> None:
    seen: list[str] = []
    reply = assembled(chunk(role="assistant", content=""), chunk(content="Hel"), chunk(content="lo"), DONE, seen=seen)
    assert reply.text == "Hello"
    assert reply.model == "m-1"
    assert seen == ["Hel", "Hello"]


def test_text_in_parts_and_refusals_are_text() -> None:
    parts: JSON = [{"type": "text", "text": "in "}, {"type": "text", "text": "parts"}]
    assert assembled(chunk(content=parts), DONE).text == "in parts"
    assert assembled(chunk(refusal="I would "), chunk(refusal="rather not."), DONE).text == "I would rather not."


def test_usage_is_that_of_the_last_chunk_that_tells_it() -> None:
    counted: list[JSON] = [
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": count, "total_tokens": 9 + count}}
        for count in (1, 4)
    ]
    reply = assembled(chunk(content="hi"), *counted, DONE, {"choices": [], "usage": None})
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (9, 4)


def test_other_choices_are_passed_over() -> None:
    two: JSON = {"choices": [{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}}]}
    assert assembled(two, DONE).text == "a"


def test_a_stream_without_an_end_is_no_reply() -> None:
    with pytest.raises(ModelFailed, match="ended before the answer did") as failure:
        assembled(chunk(content="half a"))
    assert not failure.value.permanent


def test_an_error_among_the_chunks_is_the_failure() -> None:
    with pytest.raises(ModelFailed, match=r"credit left.*No money"):
        assembled(chunk(content="half a"), {"error": {"message": "No money.", "code": "insufficient_quota"}})


STRANGE: list[JSON] = [None, 7, "text", [], {"choices": None}, {"choices": [7]}, {"choices": [{}]}]


@pytest.mark.parametrize("strange", STRANGE)
def test_what_is_no_chunk_changes_nothing(strange: JSON) -> None:
    assert assembled(chunk(content="a"), strange, chunk(content="b"), DONE).text == "ab"


@pytest.mark.parametrize(
    "answer", [saying("a text of some length"), calling(("x__one", {"path": "long" * 9}), ("y", {}))]
)
def test_the_chunks_of_the_test_kit_make_the_completion_they_were_cut_from(answer: Answer) -> None:
    assert isinstance(answer.body, dict)
    body: dict[str, JSON] = {"id": "c", "model": "m-1", **answer.body}
    whole = read_completion(SETTINGS, body, latency_s=1.0)
    chunks: list[JSON] = list(cut_into_chunks(body, usage=True))
    assert len(chunks) > 4
    assert assembled(*json.loads(json.dumps(chunks))) == whole


def test_what_is_shown_of_a_text_as_it_comes_grows_with_the_text_and_not_with_its_square() -> None:
    seen: list[str] = []
    answer = assembled(*[chunk(content="word ")] * 20_000, DONE, seen=seen)
    assert answer.text == "word " * 20_000
    assert all(answer.text.startswith(shown) for shown in seen)
    assert [len(shown) for shown in seen[:10]] == list(range(5, 55, 5)), "a short text is shown with every piece"
    assert sum(map(len, seen)) < 100 * len(answer.text)
    assert len(seen[-1]) > 0.98 * len(answer.text)


def test_a_call_in_the_older_way_is_a_call() -> None:
    begun = chunk(function_call={"name": "x__one", "arguments": '{"p"'})
    reply = assembled(begun, chunk(function_call={"arguments": ": 1}"}), chunk("function_call"))
    assert [(call.tool, call.arguments) for call in reply.calls] == [("x__one", '{"p": 1}')]
