"""What stands beside answers and calls: kept as it came, bounded, and sent to nobody but the model that gave it."""

from __future__ import annotations

import json

from bridge_mcp.core.entries import Call
from bridge_mcp.core.tools import JSON
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models.openai_format import chat_messages
from bridge_mcp.models.openai_responses import read_completion
from bridge_mcp.models.provider_fields import MAX_KEPT, ProviderFields, kept_text, restored
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.models.stream_accumulator import StreamAccumulator
from bridge_mcp.ports import ModelReply

SETTINGS = ModelSettings("default", "m", base_url="https://one.example/v1")
SIGNED: dict[str, JSON] = {"google": {"thought_signature": "abc"}}


def streamed(*deltas: dict[str, JSON], finish: str = "stop") -> ModelReply:
    assembly = StreamAccumulator(SETTINGS)
    for delta in deltas:
        assembly.add({"choices": [{"delta": delta}]})
    nothing: dict[str, JSON] = {}
    assembly.add({"choices": [{"delta": nothing, "finish_reason": finish}]})
    return read_completion(SETTINGS, assembly.checked(), latency_s=1.0)


def call(**more: JSON) -> JSON:
    return {"index": 0, "id": "c9", "type": "function", "function": {"name": "files__read", "arguments": "{}"}, **more}


def sent(reply: ModelReply, identity: str) -> dict[str, JSON]:
    """The message that a reply is in the next request to a model."""
    calls = tuple(
        Call(f"1.{index}", each.tool, each.arguments, model_id=each.id, kept=each.kept)
        for index, each in enumerate(reply.calls)
    )
    message = ChatMessage("assistant", reply.text, calls=calls, kept=reply.kept, kept_for=reply.kept_for)
    return chat_messages([message], {}, identity)[0]


def test_reasoning_comes_back_to_the_model_that_gave_it_and_to_no_other() -> None:
    for name in ("reasoning_content", "reasoning"):
        reply = streamed({name: "hm, "}, {name: "let me look"}, {"content": "done"})
        assert reply.text == "done"
        assert sent(reply, SETTINGS.identity)[name] == "hm, let me look"
        for other in ("m at two.example", "n at one.example", ""):
            assert sent(reply, other) == {"role": "assistant", "content": "done"}


def test_unknown_fields_of_calls_and_of_their_functions_come_back() -> None:
    function: JSON = {"name": "files__read", "arguments": "{}", "thought_signature": "def"}
    reply = streamed({"tool_calls": [call(extra_content=SIGNED, caller={"type": "direct"}, function=function)]})
    told = sent(reply, SETTINGS.identity)["tool_calls"]
    assert isinstance(told, list)
    assert isinstance(told[0], dict)
    assert (told[0]["extra_content"], told[0]["caller"]) == (SIGNED, {"type": "direct"})
    assert told[0]["function"] == function
    assert sent(reply, "another")["tool_calls"] == [
        {"id": "c00000100", "type": "function", "function": {"name": "files__read", "arguments": "{}"}}
    ]


def test_a_whole_answer_keeps_what_a_streamed_one_does() -> None:
    message: JSON = {"content": "", "reasoning_content": "hm", "tool_calls": [call(extra_content=SIGNED)]}
    whole = read_completion(SETTINGS, {"choices": [{"message": message}]}, latency_s=1.0)
    pieces = streamed({"reasoning_content": "hm"}, {"tool_calls": [call(extra_content=SIGNED)]})
    assert (whole.kept, whole.calls[0].kept) == (pieces.kept, pieces.calls[0].kept)


def test_details_that_come_in_pieces_are_put_together() -> None:
    def details(**item: JSON) -> dict[str, JSON]:
        return {"reasoning_details": [{"type": "reasoning.text", "index": 0, **item}]}

    reply = streamed(
        details(text="hm, "), details(text="well"), details(signature="s1"), details(signature="s1"), {"content": "ok"}
    )
    assert restored(reply.kept)["reasoning_details"] == [
        {"type": "reasoning.text", "index": 0, "text": "hm, well", "signature": "s1"}
    ]
    blocks = streamed(
        {"thinking_blocks": [{"type": "thinking", "thinking": "hm, "}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "well", "signature": "s1"}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "again"}]},
        {"content": "ok"},
    )
    assert restored(blocks.kept)["thinking_blocks"] == [
        {"type": "thinking", "thinking": "hm, well", "signature": "s1"},
        {"type": "thinking", "thinking": "again"},
    ]


def test_a_signature_that_litellm_put_into_an_id_is_no_part_of_it() -> None:
    message: JSON = {"content": "", "tool_calls": [call(id="call_1__thought__" + "A" * 300)]}
    reply = read_completion(SETTINGS, {"choices": [{"message": message}]}, latency_s=1.0)
    assert reply.calls[0].id == "call_1"
    assert restored(reply.calls[0].kept) == {"provider_specific_fields": {"thought_signature": "A" * 300}}


def test_what_is_kept_is_bounded_and_stays_whole_json() -> None:
    beside = ProviderFields()
    for _ in range(2_000):
        beside.add({"reasoning_content": "é" * 100, "other": {"x": "y"}})
    text = kept_text(beside.value())
    assert len(text) <= MAX_KEPT
    kept = json.loads(text)
    assert kept["other"] == {"x": "y"}
    assert set(kept["reasoning_content"]) == {"é"}
    assert kept_text({"opaque": "z" * (MAX_KEPT + 1)}) == ""
    assert kept_text({"opaque": {"z": "z" * MAX_KEPT}, "small": 1}) == '{"small": 1}'


def test_what_only_an_answer_has_is_not_sent_back() -> None:
    reply = streamed({"role": "assistant", "content": "hi", "annotations": [], "audio": None, "refusal": None})
    assert reply.kept == ""
