r"""The rules of the scripted model: a small TOML file that says what to answer to what.

    [[rule]]                                  # rules are tried in order, and the first that matches answers
    when = "(?i)tidy up"                      # a regular expression, searched in the last user text
    say = "Let me look."                      # what is said; may be left out where a call is made
    call = [{ tool = "files__list_files" }]   # calls to make, all at once; `arguments` may be left out

    [[rule]]
    on = "result"                             # looks at what the calls of the last reply gave, one by one, in order
    tool = "files__list_*"                    # only at results of these tools (a pattern; left out: of any)
    when = '(?P<file>draft-\S+\.txt)'
    call = [{ tool = "files__delete_file", arguments = { path = "{file}" } }]

    [[rule]]
    on = "result"
    when = "^Not run"                         # how a rejected or an expired call begins
    say = "I left it: {text}"

    [default]                                 # when no rule matches
    say = "I did not understand “{text}”."

Every text in `say` and in `arguments` may hold `{name}` for a named group of `when`, and `{text}` for the whole text
that was searched; a brace itself is written twice. A rule without `when` matches any text, the empty one too. A rule
sees only what the model has not answered yet: the results and the last user text after its last reply. So no rule
answers an old result, and a rule may look at both kinds: `on = "any"`.

Knows the messages of a request, and no adapter, no store and no clock.
"""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from math import isfinite
from pathlib import Path
from typing import Literal, TypeAlias, cast, get_args

from msgspec import Struct

from bridge_mcp.core.errors import ConfigError
from bridge_mcp.core.tools import JSON
from bridge_mcp.core.transcript import ChatMessage

__all__ = ["PlannedCall", "Rule", "Script", "parse_script", "read_script"]

On: TypeAlias = Literal["user", "result", "any"]
TEXT = "text"
"""The placeholder for the whole text that was searched."""

RULE_KEYS = ("on", "when", "tool", "say", "call")
CALL_KEYS = ("tool", "arguments")
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class PlannedCall(Struct, frozen=True):
    """A call that a rule makes. Texts in `arguments` are templates."""

    tool: str
    arguments: Mapping[str, JSON]


class Rule(Struct, frozen=True):
    """What to do when a text matches."""

    on: On = "user"
    when: re.Pattern[str] | None = None
    tool: str = "*"
    say: str = ""
    calls: tuple[PlannedCall, ...] = ()

    def matches(self, message: ChatMessage) -> re.Match[str] | bool:
        """The match of a message; True for a rule without `when`, False for no match."""
        if message.role == "user":
            takes = self.on != "result"
        else:
            takes = self.on != "user" and message.call is not None and fnmatchcase(message.call.tool, self.tool)
        return takes and (self.when is None or self.when.search(message.text) or False)


class Script(Struct, frozen=True):
    """Rules in order, and the default; an empty script says that it is one."""

    rules: tuple[Rule, ...] = ()
    default: str = "(scripted) You said: {text}"

    def answer(self, messages: Sequence[ChatMessage]) -> tuple[str, tuple[tuple[str, dict[str, JSON]], ...]]:
        """What to say and which calls to make (tool and arguments), from the messages alone."""
        unread = list(unread_of(messages))
        for rule in self.rules:
            for message in unread:
                match = rule.matches(message)
                if match:
                    values = {TEXT: message.text}
                    if isinstance(match, re.Match):
                        values |= {name: value or "" for name, value in match.groupdict().items()}
                    calls = tuple((call.tool, filled(call.arguments, values)) for call in rule.calls)
                    return rule.say.format_map(values), calls
        last = unread[-1].text if unread else ""
        return self.default.format_map({TEXT: last}), ()


def unread_of(messages: Sequence[ChatMessage]) -> Iterator[ChatMessage]:
    """The messages after the last reply: its results in order, and the last user text."""
    end = len(messages)
    while end and messages[end - 1].role == "assistant":
        # The model is called because something is unread, so an assistant message at the very end was posted by someone
        # else.
        end -= 1
    start = end
    while start and messages[start - 1].role in ("user", "tool"):
        start -= 1
    behind = messages[start:end]
    yield from (message for message in behind if message.role == "tool")
    yield from [message for message in behind if message.role == "user"][-1:]


def filled(arguments: Mapping[str, JSON], values: Mapping[str, str]) -> dict[str, JSON]:
    """The arguments with every template in them filled."""
    return {name: fill(value, values) for name, value in arguments.items()}


def fill(value: JSON, values: Mapping[str, str]) -> JSON:
    if isinstance(value, str):
        return value.format_map(values)
    if isinstance(value, list):
        return [fill(item, values) for item in value]
    return filled(value, values) if isinstance(value, dict) else value


def read_script(path: Path) -> Script:
    """The script in a file.

    Raises:
        ConfigError: it cannot be read, or has an invalid rule; names the file, the rule, the key and the fix.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read: {why}.", fix="Check script_path of the scripted model.") from None
    return parse_script(text, str(path))


def parse_script(text: str, where: str = "script") -> Script:
    """Parse a script; `where` is its name in errors.

    Raises:
        ConfigError: see `read_script`.
    """
    try:
        table: dict[str, object] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{where}: this is not TOML: {exc}.", fix="Correct the line it names.") from None
    check_keys(table, ("rule", "default"), where)
    raw = table.get("rule", [])
    if not isinstance(raw, list) or not all(isinstance(rule, dict) for rule in cast("list[object]", raw)):
        raise ConfigError(f"{where}: 'rule' is not a list of tables.", fix="Begin each rule with a line [[rule]].")
    rules = (
        parse_rule(rule, f"{where}: rule {number}")
        for number, rule in enumerate(cast("list[dict[str, object]]", raw), 1)
    )
    return Script(tuple(rules), parse_default(table, where))


def parse_default(table: Mapping[str, object], where: str) -> str:
    """The text for when no rule matches."""
    raw = table.get("default")
    if raw is None:
        return "(scripted) No rule matches: {text}" if table.get("rule") else Script().default
    if not isinstance(raw, dict):
        raise ConfigError(f"{where}: 'default' is not a table.", fix='Write [default] and below it say = "…".')
    default = cast("dict[str, object]", raw)
    check_keys(default, ("say",), f"{where}: default")
    return template(text_in(default, "say", f"{where}: default"), {TEXT}, f"{where}: default: say")


def parse_rule(raw: Mapping[str, object], where: str) -> Rule:
    """One rule; `where` names the file and the rule's number."""
    check_keys(raw, RULE_KEYS, where)
    on = raw.get("on", "user")
    if on not in get_args(On):
        raise ConfigError(f"{where}: on: {on!r} is unknown.", fix='Write "user", "result" or "any".')
    if on == "user" and "tool" in raw:
        raise ConfigError(f"{where}: tool: only results come from a tool.", fix='Add on = "result", or leave tool out.')
    when = pattern(text_in(raw, "when", where), f"{where}: when") if "when" in raw else None
    names = {TEXT, *(when.groupindex if when else ())}
    say = template(text_in(raw, "say", where), names, f"{where}: say") if "say" in raw else ""
    calls = raw.get("call", [])
    if not isinstance(calls, list):
        calls = [calls]
    planned = tuple(parse_call(call, names, f"{where}: call") for call in cast("list[object]", calls))
    if not say and not planned:
        raise ConfigError(f"{where}: it neither says nor calls anything.", fix="Give it say, or call, or both.")
    return Rule(cast("On", on), when, text_in(raw, "tool", where) if "tool" in raw else "*", say=say, calls=planned)


def parse_call(raw: object, names: set[str], where: str) -> PlannedCall:
    """One planned call."""
    if not isinstance(raw, dict):
        raise ConfigError(f"{where}: {raw!r} is not a call.", fix='Write { tool = "server__tool", arguments = { … } }.')
    call = cast("dict[str, object]", raw)
    check_keys(call, CALL_KEYS, where)
    tool = text_in(call, "tool", where)
    if not NAME.fullmatch(tool):
        raise ConfigError(
            f"{where}: tool: {tool!r} is not the name of a tool.",
            fix="Write the name that the model knows, server__tool, of letters, digits, _ and -.",
        )
    arguments = call.get("arguments", {})
    if not isinstance(arguments, dict):
        raise ConfigError(f"{where}: arguments: this is not a table.", fix='Write { name = "value" }.')
    return PlannedCall(tool, cast("dict[str, JSON]", checked(cast("object", arguments), names, f"{where}: arguments")))


def checked(value: object, names: set[str], where: str) -> JSON:
    """A TOML value as JSON, its templates checked."""
    if isinstance(value, str):
        return template(value, names, where)
    if isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value)):
        return value
    if isinstance(value, list):
        return [checked(item, names, where) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {
            name: checked(item, names, f"{where}.{name}") for name, item in cast("dict[str, object]", value).items()
        }
    raise ConfigError(f"{where}: {value} has no form in JSON.", fix="Write it as a text in quotes.")


def template(text: str, names: set[str], where: str) -> str:
    """The text, if every placeholder in it is known."""
    try:
        used = [(name, spec, turn) for _, name, spec, turn in string.Formatter().parse(text) if name is not None]
    except ValueError:
        raise ConfigError(f"{where}: a brace stands alone.", fix="Write {{ or }} for a brace itself.") from None
    for name, spec, turn in used:
        if name not in names or spec or turn:
            listed = ", ".join(f"{{{each}}}" for each in sorted(names))
            raise ConfigError(
                f"{where}: the placeholder {{{name}}} is unknown.",
                fix=f"Known here: {listed}. Name a group of when as (?P<name>…), or write {{{{ for a brace itself.",
            )
    return text


def pattern(text: str, where: str) -> re.Pattern[str]:
    """The regular expression."""
    try:
        return re.compile(text)
    except re.error as exc:
        raise ConfigError(
            f"{where}: this is not a regular expression: {exc}.",
            fix="Write it in single quotes, where TOML leaves backslashes alone.",
        ) from None


def text_in(table: Mapping[str, object], key: str, where: str) -> str:
    """The text under a key that must be there."""
    value = table.get(key)
    if not isinstance(value, str):
        problem = "is missing" if value is None else "is not a text"
        raise ConfigError(f"{where}: '{key}' {problem}.", fix=f'Write {key} = "…".')
    return value


def check_keys(table: Mapping[str, object], keys: Sequence[str], where: str) -> None:
    """Raise for unknown keys."""
    for key in table:
        if key not in keys:
            raise ConfigError(f"{where}: the key '{key}' is unknown.", fix=f"The keys are: {', '.join(keys)}.")
