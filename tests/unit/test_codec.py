"""The codec: every entry comes back as it went in, its text stays what it is, and what is not understood is refused."""

from __future__ import annotations

import json
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_mcp.core.codec import UPCASTS, VERSION, decode, encode, upcast
from bridge_mcp.core.entries import (
    ENTRY_TYPES,
    Asked,
    Attachment,
    Button,
    Call,
    Cleared,
    Collected,
    Configured,
    Delivered,
    Edited,
    Entry,
    External,
    Failed,
    Finished,
    Forgot,
    Heard,
    Judged,
    Lapsed,
    Posted,
    Question,
    Rang,
    Reacted,
    Reminded,
    Replied,
    Requested,
    Reviewed,
    Revised,
    Scheduled,
    Sender,
    Started,
    Stopped,
    Summarised,
    Topic,
    TopicAsked,
    Transcribed,
    Usage,
    Voted,
    Withdrawn,
)
from bridge_mcp.core.errors import BadInput, NewerSchema, StoreError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a field's type."""
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if get_origin(hint) is tuple:
        first, *rest = get_args(hint)
        several = [Ellipsis] == rest
        return st.lists(values(first), max_size=3).map(tuple) if several else st.tuples(*map(values, get_args(hint)))
    if get_args(hint):
        return st.one_of([st.none() if each is NoneType else values(each) for each in get_args(hint)])
    plain: dict[Any, st.SearchStrategy[Any]] = {
        str: TEXT,
        int: st.integers(-(2**63), 2**63 - 1),
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
    }
    return plain[hint] if hint in plain else built(hint)


def built(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Any value of a struct, each field given or left to its default."""
    hints = get_type_hints(cls)
    return st.builds(cls, **{name: values(hints[name]) for name in cls.__struct_fields__})


@given(st.one_of([built(cls) for cls in ENTRY_TYPES]))
def test_every_entry_comes_back_as_it_went_in(entry: Entry) -> None:
    text = encode(entry)
    assert decode(text) == entry
    assert encode(decode(text)) == text


ANN = Sender("7", "Ann")
CALL = Call("4.0", "files__read", '{"path":"a"}', model_id="c1")
FILE = Attachment("f1", "image", "image/png", name="a.png", size=12)

PINNED: tuple[tuple[Entry, str], ...] = (
    (
        Heard("hi\n„ü“", ANN, "m1"),
        '{"v":1,"kind":"Heard","text":"hi\\n„ü“","sender":{"id":"7","name":"Ann"},"key":"m1"}',
    ),
    (
        Heard(
            "",
            Sender("bot", "", "bot"),
            "m2",
            to="relay",
            answers=3,
            attachments=(FILE, Attachment("f2")),
            reply_to="42",
            late=True,
            title="Family",
        ),
        '{"v":1,"kind":"Heard","text":"","sender":{"id":"bot","kind":"bot"},"key":"m2","to":"relay","answers":3,'
        '"attachments":[{"ref":"f1","kind":"image","mime":"image/png","name":"a.png","size":12},{"ref":"f2"}],'
        '"reply_to":"42","late":true,"title":"Family"}',
    ),
    (
        Posted(
            "pick",
            ANN,
            "k",
            files=(FILE,),
            buttons=(Button("A", "a"),),
            reply_to="9",
            silent=True,
            question=Question(("a", "b"), 5.5),
        ),
        '{"v":1,"kind":"Posted","text":"pick","by":{"id":"7","name":"Ann"},"key":"k",'
        '"files":[{"ref":"f1","kind":"image","mime":"image/png","name":"a.png","size":12}],'
        '"buttons":[{"label":"A","value":"a"}],"reply_to":"9","silent":true,'
        '"question":{"choices":["a","b"],"expires_at":5.5}}',
    ),
    (
        Edited(3, "hello", "42:9"),
        '{"v":1,"kind":"Edited","message":3,"text":"hello","key":"42:9"}',
    ),
    (
        Revised(3, "done", ANN, key="k", buttons=(Button("A", "a", "t"),)),
        '{"v":1,"kind":"Revised","message":3,"text":"done","by":{"id":"7","name":"Ann"},"key":"k",'
        '"buttons":[{"label":"A","value":"a","token":"t"}]}',
    ),
    (
        TopicAsked(Topic("Plans", "", closed=False, new=True), ANN, key="k"),
        '{"v":1,"kind":"TopicAsked","topic":{"name":"Plans","icon":"","closed":false,"new":true},'
        '"by":{"id":"7","name":"Ann"},"key":"k"}',
    ),
    (
        Reacted(3, "👍", ANN, key="k"),
        '{"v":1,"kind":"Reacted","message":3,"emoji":"👍","by":{"id":"7","name":"Ann"},"key":"k"}',
    ),
    (
        Requested((CALL,), "host"),
        '{"v":1,"kind":"Requested","calls":[{"id":"4.0","tool":"files__read","arguments":"{\\"path\\":\\"a\\"}",'
        '"model_id":"c1"}],"by":"host"}',
    ),
    (
        Requested(
            (CALL,), "hook:agent", external=External("hook:agent", "Bash", caller="p1", lapses=True, claim_s=9.0)
        ),
        '{"v":1,"kind":"Requested","calls":[{"id":"4.0","tool":"files__read","arguments":"{\\"path\\":\\"a\\"}",'
        '"model_id":"c1"}],"by":"hook:agent","external":{"server":"hook:agent","tool":"Bash","caller":"p1",'
        '"lapses":true,"claim_s":9.0}}',
    ),
    (Collected("4.0", "gate:files"), '{"v":1,"kind":"Collected","call":"4.0","by":"gate:files"}'),
    (
        Judged("4.0", "approved", "ann", digest="sha256:00", arguments="{}", note="fine", remember="always"),
        '{"v":1,"kind":"Judged","call":"4.0","verdict":"approved","by":"ann","digest":"sha256:00","arguments":"{}",'
        '"note":"fine","remember":"always"}',
    ),
    (
        Judged(
            "4.0",
            "approved",
            "ann",
            remember="always",
            remember_arguments=(("path", "safe/*"),),
            remember_s=60.0,
            limit="family",
            via="mcp",
        ),
        '{"v":1,"kind":"Judged","call":"4.0","verdict":"approved","by":"ann","remember":"always",'
        '"remember_arguments":[["path","safe/*"]],"remember_s":60.0,"limit":"family","via":"mcp"}',
    ),
    (
        Voted("4.0", "family:7", "sha256:00", note="fine", via="chat button"),
        '{"v":1,"kind":"Voted","call":"4.0","by":"family:7","digest":"sha256:00","note":"fine","via":"chat button"}',
    ),
    (
        Reminded("4.0", 2, "reminder", to="family/42"),
        '{"v":1,"kind":"Reminded","call":"4.0","number":2,"why":"reminder","to":"family/42"}',
    ),
    (Lapsed(4, "restore"), '{"v":1,"kind":"Lapsed","message":4,"by":"restore"}'),
    (Forgot("owner", ((0, 3), (5, 5))), '{"v":1,"kind":"Forgot","by":"owner","spans":[[0,3],[5,5]]}'),
    (Transcribed(4, "x", "whisper-1"), '{"v":1,"kind":"Transcribed","message":4,"text":"x","model":"whisper-1"}'),
    (Withdrawn(4, "host"), '{"v":1,"kind":"Withdrawn","message":4,"by":"host"}'),
    (Stopped("spent", 7, text="Sorry."), '{"v":1,"kind":"Stopped","reason":"spent","upto":7,"text":"Sorry."}'),
    (
        Scheduled("family/1", "call mum", 9.5, call="4.0"),
        '{"v":1,"kind":"Scheduled","conversation":"family/1","text":"call mum","at":9.5,"call":"4.0"}',
    ),
    (Rang(), '{"v":1,"kind":"Rang"}'),
    (Cleared("ann"), '{"v":1,"kind":"Cleared","by":"ann"}'),
    (Configured("ann", "off"), '{"v":1,"kind":"Configured","by":"ann","responder":"off"}'),
    (Started("model", turn=3), '{"v":1,"kind":"Started","effect":"model","turn":3}'),
    (
        Started("tool", call="4.0", tool="t__x", arguments="{}", cleared_by="policy", repeatable=True),
        '{"v":1,"kind":"Started","effect":"tool","call":"4.0","tool":"t__x","arguments":"{}","cleared_by":"policy",'
        '"repeatable":true}',
    ),
    (
        Asked(
            "4.0",
            "t",
            "t__x",
            arguments="{}",
            digest="sha256:00",
            expires_at=60.0,
            requested_by="host",
            reason="why",
            route="family/1",
        ),
        '{"v":1,"kind":"Asked","call":"4.0","server":"t","tool":"t__x","arguments":"{}","digest":"sha256:00",'
        '"expires_at":60.0,"requested_by":"host","reason":"why","route":"family/1"}',
    ),
    (
        Asked(
            "4.0",
            "t",
            "t__x",
            arguments="{}",
            digest="sha256:00",
            quorum=2,
            remind_s=60.0,
            escalate_at=9.0,
            escalate_to="family/2",
        ),
        '{"v":1,"kind":"Asked","call":"4.0","server":"t","tool":"t__x","arguments":"{}","digest":"sha256:00",'
        '"quorum":2,"remind_s":60.0,"escalate_at":9.0,"escalate_to":"family/2"}',
    ),
    (
        Replied("ok", (CALL,), 4, turn=3, model="m", usage=Usage(1, 2, 3, cost_usd=0.5, latency_s=1.25)),
        '{"v":1,"kind":"Replied","text":"ok","calls":[{"id":"4.0","tool":"files__read",'
        '"arguments":"{\\"path\\":\\"a\\"}","model_id":"c1"}],"upto":4,"turn":3,"model":"m",'
        '"usage":{"input_tokens":1,"output_tokens":2,"cached_tokens":3,"cost_usd":0.5,"latency_s":1.25}}',
    ),
    (
        Summarised("they met", 7, 9, model="m", usage=Usage(1)),
        '{"v":1,"kind":"Summarised","text":"they met","upto":7,"ref":9,"model":"m","usage":{"input_tokens":1}}',
    ),
    (
        Reviewed("4.0", "reject", "outside", model="m", digest="sha256:00", usage=Usage(1), ref=9),
        '{"v":1,"kind":"Reviewed","call":"4.0","says":"reject","reason":"outside","model":"m","digest":"sha256:00",'
        '"usage":{"input_tokens":1},"ref":9}',
    ),
    (
        Finished("4.0", "ok", "done", attachments=(FILE,), structured='{"n":1}'),
        '{"v":1,"kind":"Finished","call":"4.0","outcome":"ok","content":"done",'
        '"attachments":[{"ref":"f1","kind":"image","mime":"image/png","name":"a.png","size":12}],'
        '"structured":"{\\"n\\":1}"}',
    ),
    (
        Delivered(5, "uncertain", ("a", "b")),
        '{"v":1,"kind":"Delivered","message":5,"status":"uncertain","platform_ids":["a","b"]}',
    ),
    (
        Failed("deliver", 5, "gone", retry_at=9.0, text="Sorry."),
        '{"v":1,"kind":"Failed","effect":"deliver","ref":5,"reason":"gone","retry_at":9.0,"text":"Sorry."}',
    ),
)


@pytest.mark.parametrize(("entry", "text"), PINNED, ids=lambda value: type(value).__name__)
def test_the_text_of_a_stored_entry_does_not_change(entry: Entry, text: str) -> None:
    assert encode(entry) == text
    assert decode(text) == entry


def test_a_text_is_pinned_for_every_entry_type() -> None:
    assert {type(entry) for entry, _ in PINNED} == set(ENTRY_TYPES)


def test_every_version_but_the_first_can_be_reached_from_the_one_before() -> None:
    assert sorted(UPCASTS) == list(range(1, VERSION))


def test_an_older_body_is_brought_up_one_version_at_a_time() -> None:
    def renamed(body: dict[str, Any]) -> dict[str, Any]:
        return {"kind": body["kind"], "by": body["who"]}

    def marked(body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "by": body["by"] + "!"}

    steps = {1: renamed, 2: marked}
    assert upcast({"kind": "Cleared", "who": "ann"}, 1, to=3, steps=steps) == {"kind": "Cleared", "by": "ann!"}
    assert upcast({"kind": "Cleared", "by": "ann"}, 2, to=3, steps=steps) == {"kind": "Cleared", "by": "ann!"}


def test_a_newer_version_is_refused_and_says_what_to_do() -> None:
    with pytest.raises(NewerSchema) as caught:
        decode(f'{{"v":{VERSION + 1},"kind":"Cleared","by":"ann"}}')
    assert f"version {VERSION + 1}" in str(caught.value)
    assert f"up to {VERSION}" in str(caught.value)
    assert "Upgrade mcp-chat-bridge" in caught.value.fix


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"Heard"',
        "{}",
        '{"v":1}',
        '{"v":1,"kind":"Cleared"}',
        '{"v":0,"kind":"Cleared","by":"ann"}',
        '{"v":"1","kind":"Cleared","by":"ann"}',
        '{"v":1,"kind":"Heard","text":"hi","key":"m","sender":"ann"}',
        '{"v":1,"kind":"Cleared","by":7}',
        '{"v":1,"kind":"Cleared","by":null}',
        '{"v":1,"kind":"Heard","text":7,"sender":{"id":"7"},"key":"m"}',
        '{"v":1,"kind":"Heard","text":"hi","sender":{"id":"7"},"key":["m"]}',
        '{"v":1,"kind":"Heard","text":"hi","sender":{"id":7},"key":"m"}',
        '{"v":1,"kind":"Heard","text":"hi","sender":{"id":"7"},"key":"m","late":1}',
        '{"v":1,"kind":"Delivered","message":3,"status":"sent","platform_ids":["7",8]}',
        '{"v":1,"kind":7}',
        '{"v":1,"kind":"Cleared","by":' + "[" * 100_000,
        '{"v":1,"kind":"Cleared","by":"ann"',
        '{"v":1,"kind":"Cleared","by":"ann"} and more',
    ],
)
def test_what_is_no_entry_is_refused_with_its_beginning(text: str) -> None:
    with pytest.raises(StoreError) as caught:
        decode(text)
    assert not isinstance(caught.value, NewerSchema)
    assert repr(text[:80]) in str(caught.value)
    assert caught.value.fix


@pytest.mark.parametrize(
    "text",
    [
        '{"v":1,"kind":"Heard","text":"hi","sender":{"id":"7"},"key":"42","language":"de"}',
        '{"v":1,"kind":"Heard","text":"hi","sender":{"id":"7","age":3},"key":"42"}',
        '{"v":1,"kind":"Heard","text":"hi","sender":{"id":"7"},"key":"42","to":"nobody"}',
        '{"v":1,"kind":"Translated","text":"hi"}',
        '{"v":1,"kind":"Sender","id":"7"}',
    ],
)
def test_what_a_newer_minor_version_added_is_refused_with_upgrade_and_never_called_damage(text: str) -> None:
    with pytest.raises(NewerSchema) as caught:
        decode(text)
    assert "Upgrade mcp-chat-bridge" in caught.value.fix
    assert "damage" not in str(caught.value)


@pytest.mark.parametrize(
    "entry",
    [
        Failed("model", 1, "busy", retry_at=float("nan")),
        Replied("", usage=Usage(latency_s=float("inf"))),
        Heard("half a \ud83d pair", ANN, "m1"),
    ],
)
def test_what_json_or_utf8_cannot_hold_is_refused(entry: Entry) -> None:
    with pytest.raises(BadInput, match=type(entry).__name__):
        encode(entry)


def test_fields_of_an_entry_leave_room_for_version_and_kind() -> None:
    names = {name for cls in ENTRY_TYPES for name in cls.__struct_fields__}
    assert not names & {"v", "kind"}
    assert json.loads(encode(Cleared("ann"))) == {"v": VERSION, "kind": "Cleared", "by": "ann"}
