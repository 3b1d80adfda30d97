"""Validates the arguments of a tool: by a pydantic model of its function's signature, with one line per problem.

A parameter is a keyword of the function. Its annotation holds its type, its limits and its description: `limit:
Annotated[int, Field(ge=1, le=200, description="How many")] = 50`. A plain `str` is an id, a name or a cursor; `Text`,
`Texts`, `JsonObject` and `TextsByName` are the types beside Python's own. Knows no tool, no protocol.

Validation is strict. But models and hosts often send a number or a boolean as text, a list or an object as JSON text,
or an argument of their own beside the tool's. A value of the wrong type that can be read in one way only is converted;
for a tool that decides, only lists and objects in JSON text are.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, ValidationError, create_model
from pydantic_core import ErrorDetails, PydanticCustomError

from bridge_mcp.core.errors import BadInput, BadJSON
from bridge_mcp.core.json_reader import MAX_DEPTH, MAX_SIZE, check_depth, read_json
from bridge_mcp.core.tools import MAX_ARGUMENTS
from bridge_mcp.server.tools.json_schema import lean_schema

__all__ = ["ConversationId", "JsonObject", "Params", "Text", "Texts", "TextsByName"]

HOST_ARGUMENTS: Final = frozenset({"sessionId", "toolCallId", "action", "chatInput", "random_string"})
"""Arguments that hosts add to every call (n8n the first four, Cursor the last); they are ignored."""

NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{1,20})?")
"""A text that is one JSON number and nothing else."""

MAX_PROBLEMS = 20

CONFIG: Final = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, str_max_length=400)


def check_bounds(value: dict[str, Any]) -> dict[str, Any]:
    """Raise unless an object is small and shallow enough to be stored and sent."""
    try:
        written = json.dumps(value, ensure_ascii=False, allow_nan=False)
        check_depth(written, MAX_DEPTH)
    except (RecursionError, BadJSON):
        raise unfit(f"is nested too deep; at most {MAX_DEPTH} levels are taken") from None
    except ValueError:
        raise unfit("holds a number that is infinite or not a number") from None
    if half := half_pair(written):
        raise unfit(half)
    if len(written) > MAX_ARGUMENTS:
        raise unfit(f"has {len(written):,} characters as JSON; at most {MAX_ARGUMENTS:,} are taken")
    return value


ConversationId: TypeAlias = Annotated[str, Field(description="channel/chat_id")]
Text: TypeAlias = Annotated[str, Field(max_length=MAX_SIZE)]
"""A text for which the service has its own limit."""
Texts: TypeAlias = Annotated[tuple[str, ...], Strict(False), Field(max_length=100)]
JsonObject: TypeAlias = Annotated[dict[str, Any], AfterValidator(check_bounds)]
TextsByName: TypeAlias = Annotated[dict[str, Text], AfterValidator(check_bounds)]


class Params:
    """The parameters of one tool.

    Args:
        function: the tool's function; its first parameter is not the caller's.
        exact: convert no number, boolean or text from another type: for tools that decide.
    """

    def __init__(self, function: Callable[..., Any], *, exact: bool = False) -> None:
        self._tool = function.__name__
        self._readings = EXACT if exact else READINGS
        _, *self._parameters = inspect.signature(function).parameters.values()
        self._required = {each.name for each in self._parameters if each.default is each.empty}

    @cached_property
    def _model(self) -> type[BaseModel]:
        """The model, made on demand: most processes call few of the tools."""
        fields: dict[str, Any] = {
            each.name: (each.annotation, ... if each.name in self._required else each.default)
            for each in self._parameters
        }
        return create_model(self._tool, __config__=CONFIG, **fields)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of an object with these arguments and no others."""
        return {"properties": {}, **lean_schema(self._model, "validation")}

    def read(self, arguments: Mapping[str, object]) -> dict[str, Any]:
        """The arguments to pass on. An optional argument that is null counts as missing.

        Raises:
            BadInput: some are invalid; one line for each, which names it and the expected type.
        """
        values = {
            name: value
            for name, value in arguments.items()
            if (value is not None or name in self._required) and name not in HOST_ARGUMENTS
        }
        try:
            return vars(self._model.model_validate(values))
        except ValidationError as wrong:
            conversions = {each["loc"]: self._readings.get(each["type"]) for each in details(wrong)}
        values = {name: read(value) if (read := conversions.get((name,))) else value for name, value in values.items()}
        try:
            return vars(self._model.model_validate(values))
        except ValidationError as wrong:
            raise self._refusal(wrong) from None

    def _refusal(self, error: ValidationError) -> BadInput:
        lines: dict[str, str] = {}
        for each in details(error):
            name = str(each["loc"][0] if each["loc"] else each["input"])  # no location: a name that is no Unicode
            argument_schema = self.schema["properties"].get(name)
            lines.setdefault(name, problem(each, argument_schema) if argument_schema else "there is no such argument")
        names = ", ".join(each.name for each in self._parameters) or "none"
        problems = [f"{printable(name)}: {line}" for name, line in lines.items()][:MAX_PROBLEMS]
        return BadInput("\n".join([f"{self._tool} was not called:", *problems]), fix=f"Its arguments are: {names}.")


def details(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_context=True)


# -- conversions that are unambiguous -------------------------------------------------------------------------


def as_whole(value: object) -> object:
    """A float without a fraction as an integer: 3.0 is 3."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def as_number(value: object) -> object:
    """A text that is a JSON number as that number."""
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        return float(value) if "." in value else int(value)
    return value


def as_boolean(value: object) -> object:
    """The text `true` or `false`, in any case, as that boolean."""
    return {"true": True, "false": False}.get(value.strip().lower(), value) if isinstance(value, str) else value


def as_text(value: object) -> object:
    """An integer as its digits. Other numbers can be written in more than one way."""
    is_integer = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**53
    return str(value) if is_integer else value


def as_json(value: object) -> object:
    """The JSON text of a list or an object as that value."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return read_json(value, odd="keep")
        except BadJSON:
            return value
    return value


READINGS: Final[Mapping[str, Callable[[object], object]]] = {
    "string_type": as_text,
    "bool_type": as_boolean,
    "int_type": lambda value: as_whole(as_number(value)),
    "float_type": as_number,
    "tuple_type": as_json,
    "dict_type": as_json,
}
"""The conversion to try, by pydantic's error type."""

EXACT: Final[Mapping[str, Callable[[object], object]]] = {
    "int_type": as_whole,
    "tuple_type": as_json,
    "dict_type": as_json,
}

# -- messages ------------------------------------------------------------------------------------------------


def problem(error: ErrorDetails, schema: Mapping[str, Any]) -> str:
    """The message for an argument, by pydantic's error and its JSON schema."""
    value: Any = error["input"]
    match error["type"]:
        case "missing":
            return "is missing"
        case "unfit":
            return error["msg"]
        case "string_unicode":
            return half_pair(value)
        case "string_too_long":
            return f"has {len(value):,} characters; at most {error.get('ctx', {})['max_length']:,} are taken"
        case "too_long":
            return f"has {len(value):,} items; at most {error.get('ctx', {})['max_length']:,} are taken"
        case "literal_error":
            return f"expected one of {', '.join(schema['enum'])}; got {describe(value)}"
        case "tuple_type":
            return f'expected a list of texts, such as ["one", "two"]; got {describe(value)}'
        case kind:
            return f"expected {EXPECTED.get(kind) or number(schema)}{place(error)}, got {describe(value)}"


EXPECTED: Final = {"string_type": "a text", "bool_type": "true or false", "dict_type": "an object"}


def number(schema: Mapping[str, Any]) -> str:
    name = "a whole number" if schema["type"] == "integer" else "a number"
    return f"{name} from {schema['minimum']:.0f} to {schema['maximum']:.0f}" if "minimum" in schema else name


def place(error: ErrorDetails) -> str:
    """The key of the value in an object of texts."""
    inner = error["loc"][1:]
    return f" for '{printable(inner[0])}'" if inner and isinstance(inner[0], str) else ""


def unfit(words: str) -> PydanticCustomError:
    return PydanticCustomError("unfit", "{words}", {"words": words})


def half_pair(value: str) -> str:
    """The error of a text with lone surrogates, which cannot be stored; "" for none."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as exc:
            return f"is not valid Unicode: half of a UTF-16 pair at character {exc.start}"
    return ""


def describe(value: object) -> str:
    """A value in an error: its type, and a short beginning."""
    match value:
        case str():
            return f"the text '{printable(value)}'" if len(value) <= 40 else f"a text of {len(value):,} characters"
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"{value:.6g}" if abs(value) <= 2**53 else "a number out of range"
        case list():
            return "a list"
        case _:
            return "an object"


def printable(value: str) -> str:
    """The start of a text, in characters that are safe for any log and any JSON parser."""
    start = value[:40]
    return start if start.isprintable() else start.encode("unicode_escape").decode()
