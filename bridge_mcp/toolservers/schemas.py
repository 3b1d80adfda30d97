"""Whether arguments are what a tool's schema asks for, in words a model can act on."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from bridge_mcp.core.tools import JSON, parse_arguments

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

__all__ = ["Schemas"]

logger = logging.getLogger(__name__)

MAX_KEPT = 1000
"""Validators kept at most; building one costs some sixty times what using it does."""
MAX_WORDS = 400
"""Characters of one complaint: it may quote an argument of any length."""


class Schemas:
    """Checks arguments; keeps a validator for each schema it has met."""

    def __init__(self) -> None:
        self._validators: dict[str, Validator | None] = {}

    def complaint(self, schema: str, arguments: Mapping[str, JSON]) -> str:
        """What is wrong with the arguments, "" if nothing is, or if the schema itself cannot be used."""
        from jsonschema.exceptions import best_match  # pyright: ignore[reportUnknownVariableType]
        from referencing.exceptions import Unresolvable

        validator = self._validator(schema)
        if validator is None:
            return ""
        try:
            if validator.is_valid(arguments):
                return ""
            found = best_match(validator.iter_errors(dict(arguments)))  # pyright: ignore[reportUnknownVariableType]
            error = cast("ValidationError | None", found)
        except Unresolvable as exc:
            logger.debug("a schema refers to what it does not hold: %s", exc)
            return ""
        if error is None:
            return ""
        message = error.message if len(error.message) <= MAX_WORDS else f"{error.message[:MAX_WORDS]}…"
        place = "/".join(str(step) for step in error.absolute_path)
        return f"At '{place}': {message}." if place else f"{message}."

    def _validator(self, schema: str) -> Validator | None:
        """The validator for a schema, None where the schema is no valid one: then the server is the judge."""
        from jsonschema.exceptions import SchemaError
        from jsonschema.validators import Draft202012Validator, validator_for
        from referencing import Registry

        if schema not in self._validators:
            if len(self._validators) >= MAX_KEPT:
                self._validators.clear()
            parsed = parse_arguments(schema)
            kind = validator_for(parsed, default=Draft202012Validator)
            try:
                kind.check_schema(parsed)
            except SchemaError as exc:
                logger.debug("not a valid schema: %s", exc.message)
                self._validators[schema] = None
            else:
                # An empty registry: a schema may refer to itself, and nothing is fetched for it.
                self._validators[schema] = kind(parsed, registry=Registry())
        return self._validators[schema]
