"""Makes lean JSON schemas of pydantic models, for `tools/list` in few bytes."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue

__all__ = ["lean_schema"]


def lean_schema(model: type[BaseModel], mode: JsonSchemaMode) -> dict[str, Any]:
    """The JSON schema of a model: `validation` for arguments, `serialization` for answers.

    A definition that is used once is inlined; one that is used more often is in `$defs`.
    """
    schema = model.model_json_schema(mode=mode, schema_generator=LeanSchema, by_alias=True)
    shared = schema.pop("$defs", {})
    refs = Counter(re.findall(r'"#/\$defs/(\w+)"', json.dumps([schema, shared])))

    def inlined(value: Any) -> Any:
        if isinstance(value, list):
            return [inlined(each) for each in cast("list[Any]", value)]
        if not isinstance(value, dict):
            return value
        node = cast("dict[str, Any]", value)
        name = str(node.get("$ref")).rpartition("/")[2]
        return inlined(shared[name]) if refs[name] == 1 else {each: inlined(inner) for each, inner in node.items()}

    definitions = {name: inlined(each) for name, each in shared.items() if refs[name] > 1}
    return inlined(schema) | ({"$defs": definitions} if definitions else {})


class LeanSchema(GenerateJsonSchema):
    """Leaves out titles, docstrings, empty defaults, and limits of size, which errors name when they are exceeded."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        return without(super().model_schema(schema), "title", "description")

    def str_schema(self, schema: Any) -> JsonSchemaValue:
        return without(super().str_schema(schema), "maxLength")

    def tuple_schema(self, schema: Any) -> JsonSchemaValue:
        return without(super().tuple_schema(schema), "maxItems")

    def dict_schema(self, schema: Any) -> JsonSchemaValue:
        json_schema = super().dict_schema(schema)
        return (
            without(json_schema, "additionalProperties")
            if json_schema.get("additionalProperties") is True
            else json_schema
        )

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        json_schema = super().default_schema(schema)
        return json_schema if json_schema.get("default") else without(json_schema, "default")

    def nullable_schema(self, schema: Any) -> JsonSchemaValue:
        """The schema without null: a null argument counts as one that was left out."""
        inner = self.generate_inner(schema["schema"])
        if self.mode == "validation" or not inner:
            return inner
        return {"type": [inner["type"], "null"]} if inner.keys() == {"type"} else super().nullable_schema(schema)


def without(schema: JsonSchemaValue, *names: str) -> JsonSchemaValue:
    return {name: value for name, value in schema.items() if name not in names}
