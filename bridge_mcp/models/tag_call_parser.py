"""Tool calls in tags, as several families of open models were taught to write them.

    <function=files__read><parameter=path>a.txt</parameter></function>
    <invoke name="files__read"><parameter name="path">a.txt</parameter></invoke>
    files__read<arg_key>path</arg_key><arg_value>a.txt</arg_value>

The values are texts: `core.arguments` turns them into numbers where the tool's schema wants them. If a call holds one
JSON object instead of parameters, that is its arguments.
"""

from __future__ import annotations

import json
import re

__all__ = ["calls_in_tags"]

CALL = re.compile(
    r"<(?:\w+:)?(?P<element>invoke|function)(?:=|\s+name\s*=\s*)[\"']?(?P<name>[\w.:-]+)[\"']?\s*>"
    r"(?P<body>.*?)(?:</(?:\w+:)?(?P=element)>|\Z)",
    re.DOTALL,
)
PARAMETER = re.compile(
    r"<(?:\w+:)?(?P<element>parameter|param|argument)(?:=|\s+name\s*=\s*)[\"']?(?P<name>[^\"'>\s]+)[\"']?[^>]*>"
    r"(?P<value>.*?)</(?:\w+:)?(?P=element)>",
    re.DOTALL,
)
KEYED = re.compile(r"\s*(?P<name>[\w.:-]+)\s*(?=<arg_key>)")
PAIR = re.compile(r"<arg_key>(?P<name>.*?)</arg_key>\s*<arg_value>(?P<value>.*?)</arg_value>", re.DOTALL)


def calls_in_tags(text: str) -> list[tuple[str, str]]:
    """The calls in a text as pairs of name and arguments, in order; none if it has no such tags.

    Incomplete arguments stay as they came: the check of arguments reports them.
    """
    calls = [(call["name"], arguments_in(call["body"], PARAMETER)) for call in CALL.finditer(text)]
    if calls:
        return calls
    keyed = KEYED.match(text)
    return [(keyed["name"], arguments_in(text[keyed.end() :], PAIR))] if keyed else []


def arguments_in(body: str, pair: re.Pattern[str]) -> str:
    """The parameters of a call as the JSON text of its arguments."""
    arguments = {each["name"].strip(): unwrapped(each["value"]) for each in pair.finditer(body)}
    rest = pair.sub("", body).strip()
    if rest:
        return rest if not arguments else body
    return json.dumps(arguments, ensure_ascii=False)


def unwrapped(value: str) -> str:
    """A value without the line ends around it."""
    return value.removeprefix("\n").removesuffix("\n")
