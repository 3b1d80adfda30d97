"""The one parser for untrusted JSON: of models, servers, clients, webhooks, files.

Its values can be walked, compared, stored and sent on as they are, which `json.loads` does not promise:

- size and depth are bounded, and no text makes a RecursionError (RFC 8259, section 9, lets a reader set such limits);
- numbers are finite: NaN, Infinity, `1e999` and integers beyond the range of a double are refused (section 6);
- of a name that stands twice in an object the last one counts, as in ECMAScript's `JSON.parse`, and whatever is sent on
  is written anew from the value, so that nobody can read the other one; with `unique_names` it is refused (section 4);
- every text can be encoded: lone surrogates, and bytes that are not UTF-8, are refused (section 8.2).

If a refusal would lose more than it saves (the result of a tool that has run), `odd="mend"` replaces such parts: a
number that is not finite by its text, a lone surrogate by U+FFFD. `check_json` applies the same rules to a value that
never was text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

from bridge_mcp.core.errors import BadJSON

__all__ = [
    "DECODERS",
    "JSON",
    "MAX_DEPTH",
    "MAX_SIZE",
    "MESSAGE_DEPTH",
    "Odd",
    "check_depth",
    "check_json",
    "read_json",
    "read_json_at",
    "whole_characters",
]

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
Odd: TypeAlias = Literal["refuse", "mend", "keep"]
"""What happens to numbers that are not finite, and to lone surrogates."""

MAX_DEPTH: Final = 128
"""Levels of nesting in one value: arguments, a result, a schema."""
MESSAGE_DEPTH: Final = 200
"""Levels of nesting in a whole message, which contains such values: one that is too deep costs that value alone."""
MAX_SIZE: Final = 32 * 1024 * 1024
"""Characters or bytes of one text; most callers have a lower limit of their own."""
MAX_DIGITS: Final = 308
"""Digits of an integer, with its sign: as many as a double surely holds."""

HALF = re.compile("[\ud800-\udfff]")
"""A lone surrogate, which cannot be encoded."""
ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""An escape that may be a lone surrogate."""

BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
NO_BRACKETS: Final = bytes(set(range(256)) - set(b'[]{}"'))


def read_json(
    source: str | bytes,
    *,
    max_depth: int = MAX_DEPTH,
    max_size: int = MAX_SIZE,
    unique_names: bool = False,
    odd: Odd = "refuse",
) -> JSON:
    """The value of a JSON text; see the module for the rules. A byte order mark is ignored.

    Args:
        source: the text, or its bytes in UTF-8.
        max_depth: levels of nesting.
        max_size: characters or bytes of the text.
        unique_names: whether a duplicate name in an object is refused.
        odd: `keep` leaves lone surrogates, NaN and infinities in place, for a caller that reports them itself.

    Raises:
        BadJSON: it is invalid; the message says why and quotes nothing of it.
    """
    if len(source) > max_size:
        raise BadJSON(f"It is longer than {max_size:,} characters.", fix="Send less at once.")
    text = (source if isinstance(source, str) else decode_text(source, odd)).removeprefix("\ufeff")
    decoder = UNIQUE if unique_names else DECODERS[odd]
    value = run_decoder(lambda: decoder.decode(text), max_depth)
    return without_halves(value, text, odd, max_depth)


def read_json_at(text: str, at: int, *, max_depth: int = MAX_DEPTH, odd: Odd = "refuse") -> tuple[JSON, int]:
    """The value that begins at this index of a longer text, and the index after it.

    Raises:
        BadJSON: there is none, or it violates a rule of the module.
    """
    value, end = run_decoder(lambda: DECODERS[odd].raw_decode(text, at), max_depth)
    return without_halves(value, text[at:end], odd, max_depth), end


def check_json(value: object, *, max_depth: int = MAX_DEPTH, odd: Odd = "refuse") -> JSON:
    """A copy of a value as JSON, with lists for tuples.

    Raises:
        BadJSON: it violates a rule of the module, or holds a lone surrogate or a type that JSON does not have.
    """
    try:
        text = WRITER.encode(value)
    except RecursionError:
        raise too_deep(max_depth) from None
    except ValueError:
        raise BadJSON("It holds itself.", fix="Send a finite value.") from None
    except TypeError as exc:
        raise BadJSON(f"It holds what JSON does not have ({exc}).") from None
    return read_json(text, max_depth=max_depth, odd=odd)


def whole_characters(text: str) -> str:
    """The text with U+FFFD for each lone surrogate, which no encoder accepts."""
    return text if text.isascii() else HALF.sub("\ufffd", text)


# -- parsing --------------------------------------------------------------------------------------------------


def run_decoder(decoder: Callable[[], Any], max_depth: int) -> Any:
    """The result of the decoder.

    Raises:
        BadJSON: it fails.
    """
    try:
        return decoder()
    except json.JSONDecodeError as exc:
        raise BadJSON(f"{exc.msg} at character {exc.pos}.") from None
    except RecursionError:
        raise too_deep(max_depth) from None


def too_deep(most: int) -> BadJSON:
    return BadJSON(f"It is nested more than {most} levels deep.", fix="Send a flatter value.")


def decode_text(data: bytes, odd: Odd) -> str:
    try:
        return data.decode("utf-8", "replace" if odd == "mend" else "strict")
    except UnicodeDecodeError as exc:
        raise BadJSON(f"It is not UTF-8 at byte {exc.start}.") from None


def check_depth(text: str, most: int) -> None:
    """Raise if valid JSON text is nested too deep; a few passes over its brackets at C speed, none if they are few.

    Raises:
        BadJSON: it is deeper.
    """
    if text.count("[") + text.count("{") <= most:
        return
    plain = text.replace("\\\\", "").replace('\\"', "") if "\\" in text else text
    marks = plain.encode("utf-8", "replace").translate(BRACKETS, NO_BRACKETS)
    marks = b"".join(marks.split(b'"')[::2])
    for _ in range(most):
        if not marks:
            return
        marks = marks.replace(b"[]", b"")
    if marks:
        raise too_deep(most)


def finite(digits: str) -> float:
    number = float(digits)
    if number - number != 0:
        raise BadJSON("It holds a number beyond the range of a double.", fix="Send a finite number, or a text.")
    return number


def integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise BadJSON("It holds a number beyond the range of a double.", fix="Send a smaller number, or a text.")
    return int(digits)


def not_finite(word: str) -> JSON:
    raise BadJSON(f"It holds {word}, which is no number in JSON.", fix="Send a finite number, null, or a text.")


def unique(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadJSON("A name stands twice in one object.", fix="Give each name once.")
    return members


def finite_or_text(digits: str) -> float | str:
    number = float(digits)
    return number if number - number == 0 else digits


def integer_or_text(digits: str) -> int | str:
    return int(digits) if len(digits) <= MAX_DIGITS else digits


# Made once: `json.loads` with options builds a decoder for every call.
DECODERS: Final[dict[Odd, json.JSONDecoder]] = {
    "refuse": json.JSONDecoder(parse_float=finite, parse_int=integer, parse_constant=not_finite),
    "mend": json.JSONDecoder(parse_float=finite_or_text, parse_int=integer_or_text, parse_constant=str),
    "keep": json.JSONDecoder(parse_int=integer),
}
UNIQUE: Final = json.JSONDecoder(
    parse_float=finite, parse_int=integer, parse_constant=not_finite, object_pairs_hook=unique
)
WRITER: Final = json.JSONEncoder(ensure_ascii=False)


def without_halves(value: JSON, text: str, odd: Odd, max_depth: int) -> JSON:
    """The value that was read from this text, after the checks for depth and lone surrogates.

    Raises:
        BadJSON: it is nested too deep, or holds a lone surrogate that is refused.
    """
    check_depth(text, max_depth)
    if odd == "keep":
        return value
    if not (("\\u" in text and ESCAPED_HALF.search(text)) or (not text.isascii() and HALF.search(text))):
        return value
    whole = replace_surrogates(value)
    if odd == "refuse" and whole != value:
        raise BadJSON("It holds half of a UTF-16 pair.", fix="Send characters beyond U+FFFF whole.")
    return whole


def replace_surrogates(value: JSON) -> JSON:
    """A value of bounded depth with U+FFFD for each lone surrogate."""
    match value:
        case str():
            return whole_characters(value)
        case list():
            return [replace_surrogates(item) for item in value]
        case dict():
            return {whole_characters(name): replace_surrogates(each) for name, each in value.items()}
        case _:
            return value
