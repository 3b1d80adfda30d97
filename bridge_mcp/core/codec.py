"""Entries as JSON text, and back: one compact object with schema version, kind, and the fields that say something.

    {"v":1,"kind":"Heard","text":"hi","sender":{"id":"7","name":"Ann"},"key":"42"}

A field with its default is left out, so a new optional field changes no text. Any other change of an entry type makes a
new schema version: a line in the table, and a function in `UPCASTS` that converts the older body.

    version   since   what changed
    1         0.1.0   the first

An unknown kind, field or word, and a higher version, were written by a newer bridge_mcp: the entry is refused with the
fix, because guessing at facts is worse than stopping. Anything else that does not fit its type is damage. The codec
knows no store.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

import msgspec
from msgspec import Struct

from bridge_mcp.core.entries import Entry
from bridge_mcp.core.errors import BadInput, NewerSchema, Unreadable

__all__ = ["UPCASTS", "VERSION", "decode", "encode", "upcast"]

Body: TypeAlias = dict[str, Any]
"""An entry as parsed JSON, with its `kind`."""

VERSION = 1
"""The schema version that `encode` writes."""

UPCASTS: Mapping[int, Callable[[Body], Body]] = {}
"""By older version: a function that converts a body to the next one."""

UPGRADE = "Upgrade mcp-chat-bridge to the version that wrote it."

PREFIX = f'{{"v":{VERSION},'
"""The beginning of an entry's text: its version, before msgspec's JSON."""

UNKNOWN = re.compile(r"Object contains unknown field|Invalid enum value|Invalid value '[^\W\d]\w*' - at `\$\.kind`")
"""What msgspec says of a field, a word or a kind that its types do not have."""

write_json = msgspec.json.Encoder().encode
read_json = msgspec.json.Decoder(cast("type[Entry]", Entry)).decode


def encode(entry: Entry) -> str:
    """The text of an entry.

    Raises:
        BadInput: it holds a number that is not finite, or a lone surrogate: JSON and UTF-8 have neither.
    """
    try:
        text = write_json(entry).decode()
        if ":null" in text:  # what msgspec makes of a number that is not finite; or somebody's words, mostly
            check_finite(entry)
    except ValueError as exc:
        raise BadInput(f"{type(entry).__name__} cannot be written: {exc}.", fix="Mend its text or number.") from None
    return PREFIX + text[1:]


def check_finite(value: object) -> None:
    """Raise if a value contains a number that is not finite.

    Raises:
        ValueError: a number in it is NaN or infinite.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not finite")
    if isinstance(value, Struct):
        for name in value.__struct_fields__:
            check_finite(getattr(value, name))
    elif isinstance(value, tuple):
        for item in cast("tuple[object, ...]", value):
            check_finite(item)


def decode(text: str) -> Entry:
    """The entry of a text that `encode` made, in this version or an older one.

    Raises:
        NewerSchema: it was written by a newer version; the message says what this one does not know.
        Unreadable: it is no entry at all.
    """
    try:
        if text.startswith(PREFIX):
            return read_json("{" + text[len(PREFIX) :])
        body = msgspec.json.decode(text, type=Body)
        return msgspec.convert(upcast(body, body.pop("v")), type=cast("type[Entry]", Entry))
    except (ValueError, TypeError, KeyError, RecursionError) as exc:
        if isinstance(exc, msgspec.ValidationError) and UNKNOWN.match(str(exc)):
            raise NewerSchema(f"A newer bridge_mcp wrote this entry: {exc}.", fix=UPGRADE) from None
        raise Unreadable(
            f"{text[:80]!r} is no entry of schema version {VERSION} or older ({type(exc).__name__}: {exc}).",
            fix="The log was changed by hand or damaged: restore a backup of the store.",
        ) from exc


def upcast(
    body: Body,
    version: int,
    *,
    to: int = VERSION,
    steps: Mapping[int, Callable[[Body], Body]] = UPCASTS,
) -> Body:
    """A body of an older version as one of version `to`, one step at a time.

    Raises:
        NewerSchema: `version` is beyond `to`.
        KeyError: there is no such version.
    """
    if version > to:
        raise NewerSchema(
            f"This entry was written in schema version {version}; this bridge_mcp knows versions up to {to}.",
            fix=UPGRADE,
        )
    for step in range(version, to):
        body = steps[step](body)
    return body
