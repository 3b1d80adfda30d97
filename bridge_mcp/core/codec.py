"""Entries as JSON text, and back: one compact object with schema version, kind, and the fields that say something.

    {"v":1,"kind":"Heard","text":"hi","sender":{"id":"7","name":"Ann"},"key":"42"}

Fields equal to their default are left out, so a new optional field changes no text. Whatever else changes in an entry
type makes a new schema version: a line in the table, and a function in `UPCASTS` that turns the body before it into one
of it.

    version   since   what changed
    1         0.1.0   the first

A kind, a field or a word that this version does not know was written by a newer one, and so was a higher version: the
entry is refused with the way out, because guessing at facts is worse than stopping. Anything else that does not fit its
type is damage, and is called that. The codec knows no store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from types import NoneType
from typing import Any, Literal, NoReturn, TypeAlias, TypeVar, cast, get_args, get_origin, get_type_hints

from bridge_mcp.core.entries import ENTRY_TYPES, Entry
from bridge_mcp.core.errors import BadInput, BadJSON, NewerSchema, Unreadable
from bridge_mcp.core.json_reader import DECODERS

__all__ = ["UPCASTS", "VERSION", "decode", "encode", "upcast"]

Body: TypeAlias = dict[str, Any]
"""An entry as parsed JSON, with its `kind`."""

VERSION = 1
"""The schema version that `encode` writes."""

UPCASTS: Mapping[int, Callable[[Body], Body]] = {}
"""From each older version to the next one."""

KINDS: Mapping[str, type[Entry]] = {cls.__name__: cls for cls in ENTRY_TYPES}

UPGRADE = "Upgrade mcp-chat-bridge to the version that wrote it."

T = TypeVar("T")
Convert: TypeAlias = Callable[[Any], Any]

# Made once: `json.dumps` with other than the default options builds an encoder for every call.
write_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False).encode
read_body = DECODERS["refuse"].raw_decode


def encode(entry: Entry) -> str:
    """The text of an entry.

    Raises:
        BadInput: it holds a number that is not finite, or half a surrogate pair: neither has a place in JSON or UTF-8.
    """
    body = shape(type(entry)).write(entry, {"v": VERSION, "kind": type(entry).__name__})
    try:
        text = write_json(body)
        if not text.isascii():
            text.encode()
    except ValueError as exc:
        raise BadInput(f"{type(entry).__name__} cannot be written: {exc}.", fix="Mend its text or number.") from None
    return text


def decode(text: str) -> Entry:
    """The entry that `encode` made this text of, in this version or an older one.

    Raises:
        NewerSchema: it was written by a newer version; the message says what this one does not know.
        Unreadable: it is no entry at all.
    """
    try:
        body: Body
        body, end = read_body(text)
        if end != len(text):
            raise ValueError(f"something follows at {end}")
        version = body.pop("v")
        if version != VERSION:
            body = upcast(body, version)
        kind = body.pop("kind")
        if kind not in KINDS and isinstance(kind, str) and kind.isidentifier():
            raise NewerSchema(f"This bridge_mcp knows no entry '{kind}': a newer one wrote it.", fix=UPGRADE)
        return shape(KINDS[kind]).read(body)
    except (BadJSON, ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
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


@dataclass(frozen=True, slots=True)
class Shape:
    """How the values of one class are written and read; worked out once, from its fields."""

    cls: type[Any]
    columns: tuple[tuple[str, object, Convert | None], ...]
    """Name, default (`dataclasses.MISSING` where there is none), and what turns the value into JSON (None: nothing)."""
    nested: tuple[tuple[str, Convert], ...]
    """Fields whose JSON is not their value, and what turns it back."""
    types: frozenset[tuple[str, type]]
    """Every field with each type that its JSON may have."""
    words: Mapping[str, frozenset[str | None]]
    """What a field may say that holds one of a few words; None for one that is left out."""

    def write(self, value: object, into: Body) -> Body:
        for name, default, convert in self.columns:
            given = getattr(value, name)
            if given is default or given == default:
                continue
            into[name] = given if convert is None or given is None else convert(given)
        return into

    def read(self, body: Body) -> Any:
        if not self.types.issuperset(zip(body, map(type, body.values()), strict=True)):
            self._refuse(body)
        for name, words in self.words.items():
            if body.get(name) not in words:
                raise NewerSchema(
                    f"This bridge_mcp knows no {name} '{body[name]}' in {self.cls.__name__}: a newer one wrote it.",
                    fix=UPGRADE,
                )
        for name, convert in self.nested:
            given = body.get(name)
            if given is not None:
                body[name] = convert(given)
        return self.cls(**body)

    def _refuse(self, body: Body) -> NoReturn:
        """Say which field is unknown, or else which one has a type that it cannot have.

        Raises:
            NewerSchema, TypeError: always one of them.
        """
        known = {name for name, _ in self.types}
        for name in body:
            if name not in known:
                raise NewerSchema(
                    f"This bridge_mcp knows no '{name}' in {self.cls.__name__}: a newer one wrote it.", fix=UPGRADE
                )
        odd = next(name for name, given in body.items() if (name, type(given)) not in self.types)
        raise TypeError(f"{self.cls.__name__}.{odd} is {type(body[odd]).__name__}")


@cache
def shape(cls: type[Any]) -> Shape:
    hints = get_type_hints(cls)
    columns: list[tuple[str, object, Convert | None]] = []
    nested: list[tuple[str, Convert]] = []
    types: set[tuple[str, type]] = set()
    words: dict[str, frozenset[str | None]] = {}
    for field in fields(cls):
        hint = hints[field.name]
        writer, reader = converters(hint)
        columns.append((field.name, field.default, writer))
        types |= {(field.name, kind) for kind in json_types(hint)}
        if known := frozenset(known_words(hint)):
            words[field.name] = known | {None}
        if reader is not None:
            nested.append((field.name, reader))
    return Shape(cls, tuple(columns), tuple(nested), types=frozenset(types), words=words)


def json_types(hint: Any) -> Iterator[type]:
    """The types that the JSON of such a value may have."""
    if is_dataclass(hint):
        yield dict
    elif get_origin(hint) is tuple:
        yield list
    elif get_origin(hint) is Literal:
        yield str
    elif get_args(hint):
        for option in get_args(hint):
            yield from json_types(option)
    else:
        yield hint
        if hint is float:
            yield int


def known_words(hint: Any) -> Iterator[str]:
    """The words that such a value may be; none where it is free."""
    if get_origin(hint) is Literal:
        yield from get_args(hint)
    elif get_origin(hint) is not tuple:
        for option in get_args(hint):
            yield from known_words(option)


def converters(hint: Any) -> tuple[Convert | None, Convert | None]:
    """What turns a value of this type into JSON, and back; None where it is the same.

    Raises:
        TypeError: the codec has no form for such a type.
    """
    if is_dataclass(hint):
        inner = shape(cast("type[Any]", hint))
        return (lambda value: inner.write(value, {})), inner.read
    if get_origin(hint) is tuple:
        return sequence(*converters(get_args(hint)[0]), get_args(hint)[0])
    options = [option for option in get_args(hint) if option is not NoneType]
    if len(options) == 1 and not isinstance(options[0], str):
        return converters(options[0])
    if hint in (str, int, float, bool) or (options and all(isinstance(option, str) for option in options)):
        return None, None
    raise TypeError(f"The codec has no form for {hint}.")


def sequence(write: Convert | None, read: Convert | None, holds: Any) -> tuple[Convert, Convert]:
    """The converters of a tuple, from those of what it holds, and its type."""
    if write is None or read is None:
        types = frozenset(json_types(holds))

        def checked(values: list[Any]) -> tuple[Any, ...]:
            if not types.issuperset(map(type, values)):
                raise TypeError(f"a list holds something else than {holds}")
            return tuple(values)

        return list, checked
    return (lambda values: [write(value) for value in values]), (
        lambda values: tuple([read(value) for value in values])
    )
