"""The scripted model's rules: what they match, what they say and call, and what a bad file is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge_mcp.core.entries import Call
from bridge_mcp.core.errors import ConfigError, ModelFailed
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models.script import Script, parse_script, read_script
from bridge_mcp.models.scripted import ScriptedModel
from bridge_mcp.ports import ModelReply, ModelRequest

TIDY = r"""
[[rule]]
when = "(?i)tidy up"
say = "Let me look."
call = [{ tool = "files__list_files" }]

[[rule]]
on = "result"
tool = "files__list_*"
when = '(?P<file>draft-\S+\.txt)'
call = [{ tool = "files__delete_file", arguments = { path = "{file}" } }]

[[rule]]
on = "result"
when = "^Not run"
say = "I left it: {text}"

[[rule]]
on = "result"
tool = "files__delete_file"
say = "Done: {text}"

[default]
say = "I did not understand “{text}”."
"""


def user(text: str) -> ChatMessage:
    return ChatMessage("user", text)


def asked(index: int, tool: str, arguments: str = "{}") -> Call:
    return Call(f"{index}.0", tool, arguments, model_id=f"call_{index}")


def result(call: Call, text: str) -> ChatMessage:
    return ChatMessage("tool", text, call=call)


async def ask(script: str | Script, *messages: ChatMessage) -> ModelReply:
    model = ScriptedModel(parse_script(script) if isinstance(script, str) else script)
    return await model.reply(ModelRequest("default", messages))


LIST = asked(2, "files__list_files")
DELETE = asked(6, "files__delete_file", '{"path":"draft-old.txt"}')
LISTED = (
    user("Please tidy up"),
    ChatMessage("assistant", "Let me look.", calls=(LIST,)),
    result(LIST, "notes.txt\ndraft-old.txt"),
)


async def test_without_a_script_it_echoes_and_says_that_it_is_scripted() -> None:
    reply = await ask(Script(), user("hello"))
    assert reply.text == "(scripted) You said: hello"
    assert reply.model == "scripted"
    assert reply.usage.cost_usd == 0.0


async def test_a_user_text_leads_to_a_call() -> None:
    reply = await ask(TIDY, ChatMessage("system", "Be nice."), user("Please tidy up"))
    assert reply.text == "Let me look."
    assert [(call.tool, call.arguments) for call in reply.calls] == [("files__list_files", "{}")]


async def test_a_result_fills_the_arguments_of_the_next_call() -> None:
    (call,) = (await ask(TIDY, *LISTED)).calls
    assert (call.tool, json.loads(call.arguments)) == ("files__delete_file", {"path": "draft-old.txt"})


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("deleted draft-old.txt", "Done: deleted draft-old.txt"),
        ("Not run: it was rejected: keep it", "I left it: Not run: it was rejected: keep it"),
    ],
)
async def test_it_tells_what_came_of_the_call(told: str, said: str) -> None:
    reply = await ask(TIDY, *LISTED, ChatMessage("assistant", "", calls=(DELETE,)), result(DELETE, told))
    assert (reply.text, reply.calls) == (said, ())


async def test_the_default_answers_what_no_rule_matches() -> None:
    assert (await ask(TIDY, user("What?"))).text == "I did not understand “What?”."
    ruled = TIDY.partition("[default]")[0]
    assert (await ask(ruled, user("What?"))).text == "(scripted) No rule matches: What?"


async def test_old_results_and_old_texts_are_not_looked_at_again() -> None:
    reply = await ask(TIDY, *LISTED, ChatMessage("assistant", "Done."), user("thanks"))
    assert reply.text == "I did not understand “thanks”."


async def test_a_text_that_came_in_beside_results_does_not_hide_them() -> None:
    reply = await ask(TIDY, *LISTED, user("hurry"))
    assert [call.tool for call in reply.calls] == ["files__delete_file"]


async def test_what_a_client_posted_last_does_not_hide_what_is_unread() -> None:
    reply = await ask(TIDY, *LISTED, ChatMessage("assistant", "(posted by an agent)"))
    assert [call.tool for call in reply.calls] == ["files__delete_file"]


async def test_of_several_results_the_first_that_matches_counts() -> None:
    calls = asked(2, "files__read"), Call("2.1", "files__list_files", "{}", model_id="call_9")
    reply = await ask(
        TIDY,
        user("Please tidy up"),
        ChatMessage("assistant", "", calls=calls),
        result(calls[0], "draft-not-listed.txt"),
        result(calls[1], "draft-listed.txt"),
    )
    assert json.loads(reply.calls[0].arguments) == {"path": "draft-listed.txt"}


async def test_calls_at_once_each_with_an_id_of_its_own() -> None:
    script = """
    [[rule]]
    on = "any"
    when = "(?P<first>[a-z]+) and (?P<second>[a-z]+)"
    call = [
      { tool = "a__one", arguments = { deep = { list = ["{first}", 7, true, "{{plain}}"] } } },
      { tool = "a__two", arguments = { path = "{second}/{text}" } },
    ]
    """
    reply = await ask(script, user("left and right"))
    assert [json.loads(call.arguments) for call in reply.calls] == [
        {"deep": {"list": ["left", 7, True, "{plain}"]}},
        {"path": "right/left and right"},
    ]
    assert len({call.id for call in reply.calls}) == 2


async def test_what_fills_a_placeholder_is_not_read_as_one() -> None:
    assert (await ask("[default]\nsay = '{text}'", user("{text} {0} {"))).text == "{text} {0} {"


async def test_a_rule_that_comes_to_nothing_fails_like_any_empty_reply() -> None:
    with pytest.raises(ModelFailed) as failure:
        await ask("[[rule]]\nwhen = '(?P<gap>x*)'\nsay = '{gap}'", user("abc"))
    assert not failure.value.permanent


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[rule", "this is not TOML"),
        ("rules = []", "the key 'rules' is unknown. The keys are: rule, default"),
        ("rule = 1", "'rule' is not a list of tables. Begin each rule with a line [[rule]]"),
        ("[[rule]]\nsay = 'a'\n[[rule]]\nwhn = 'b'", "rule 2: the key 'whn' is unknown. The keys are: on, when"),
        ("[[rule]]\nwhen = 'a'", "rule 1: it neither says nor calls anything. Give it say, or call"),
        ("[[rule]]\non = 'tool'\nsay = 'a'", "rule 1: on: 'tool' is unknown"),
        ("[[rule]]\ntool = 'a__b'\nsay = 'a'", 'rule 1: tool: only results come from a tool. Add on = "result"'),
        ("[[rule]]\nwhen = '('\nsay = 'a'", "rule 1: when: this is not a regular expression"),
        ("[[rule]]\nwhen = 3\nsay = 'a'", "rule 1: 'when' is not a text"),
        ("[[rule]]\nsay = '{name}'", "rule 1: say: the placeholder {name} is unknown. Known here: {text}"),
        ("[[rule]]\nsay = '{text!r}'", "rule 1: say: the placeholder {text} is unknown"),
        ("[[rule]]\nsay = 'a } b'", "rule 1: say: a brace stands alone. Write {{ or }}"),
        ("[[rule]]\ncall = ['a__b']", "rule 1: call: 'a__b' is not a call"),
        ("[[rule]]\ncall = [{ arguments = {} }]", "rule 1: call: 'tool' is missing"),
        ("[[rule]]\ncall = [{ tool = 'a b' }]", "rule 1: call: tool: 'a b' is not the name of a tool"),
        ("[[rule]]\ncall = [{ tool = 'a', args = {} }]", "rule 1: call: the key 'args' is unknown"),
        ("[[rule]]\ncall = [{ tool = 'a', arguments = 1 }]", "rule 1: call: arguments: this is not a table"),
        ("[[rule]]\ncall = { tool = 'a', arguments = { b = { c = '{d}' } } }", "arguments.b.c: the placeholder {d}"),
        (
            "[[rule]]\ncall = { tool = 'a', arguments = { b = 2020-01-01 } }",
            "arguments.b: 2020-01-01 has no form in JSON",
        ),
        ("[[rule]]\ncall = { tool = 'a', arguments = { b = nan } }", "arguments.b: nan has no form in JSON"),
        ("default = 'a'", "'default' is not a table. Write [default]"),
        ("[default]\nsays = 'a'", "default: the key 'says' is unknown. The keys are: say"),
    ],
)
def test_a_bad_script_is_told_where_and_what_to_do(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "tidy.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as failure:
        read_script(file)
    assert str(failure.value).startswith(f"{file}: ")
    assert told in str(failure.value)
    assert failure.value.fix


def test_a_script_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read: No such file"):
        read_script(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b"[default]\nsay = '\xff'")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_script(tmp_path / "latin.toml")
