"""Arguments against a stranger's schema: right where it can be told, and bounded whatever the schema is."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge_mcp.core.json_reader import JSON
from bridge_mcp.core.tools import ToolSpec, canonical
from bridge_mcp.toolservers.schema_cost import cost_of
from bridge_mcp.toolservers.schemas import STEPS, Schemas, SchemaState, read
from bridge_mcp.toolservers.validation import Unusable, complaint, validator_of


@pytest.fixture
async def schemas() -> AsyncGenerator[Schemas]:
    made = Schemas()
    yield made
    await made.close()


def tool(schema: JSON, name: str = "files__list") -> ToolSpec:
    return ToolSpec(name, "files", "list", description="", schema=canonical(schema))


def exponential(links: int) -> JSON:
    """Each definition asks for the next one twice."""
    chain: dict[str, JSON] = {
        f"d{at}": {"allOf": [{"$ref": f"#/$defs/d{at + 1}"}, {"$ref": f"#/$defs/d{at + 1}"}]} for at in range(links)
    }
    return {"$defs": {**chain, f"d{links}": {"type": "object"}}, "$ref": "#/$defs/d0"}


def tree(branches: int) -> JSON:
    """Each level is looked at by so many branches."""
    node: JSON = {"anyOf": [{"properties": {"c": {"$ref": "#/$defs/n"}, "k": {"const": at}}} for at in range(branches)]}
    return {"$ref": "#/$defs/n", "$defs": {"n": node}}


def of_pattern(pattern: str) -> JSON:
    return {"type": "object", "properties": {"x": {"type": "string", "pattern": pattern}}}


EMAIL = r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$"


async def test_a_complaint_names_the_place_and_what_is_wanted(schemas: Schemas) -> None:
    item: JSON = {"enum": ["a", "b"]}
    schema: JSON = {
        "type": "object",
        "required": ["items"],
        "additionalProperties": False,
        "properties": {"items": {"type": "array", "items": {"$ref": "#/$defs/item"}}},
        "$defs": {"item": item},
    }
    assert await schemas.complaint(tool(schema), {"items": ["a", "b"]}) == ""
    assert await schemas.complaint(tool(schema), {}) == '"items" is a required property.'
    told = await schemas.complaint(tool(schema), {"items": ["a", "c"]})
    assert told == 'At \'items/1\': "c" is not one of "a" or "b".'
    assert "'more' was unexpected" in await schemas.complaint(tool(schema), {"items": [], "more": 1})
    assert len(await schemas.complaint(tool(schema), {"items": "x" * 10_000})) < 500
    assert schemas.unchecked == {}


async def test_of_alternatives_the_one_that_came_furthest_is_told(schemas: Schemas) -> None:
    one: JSON = {"type": "object", "properties": {"kind": {"const": "a"}, "n": {"type": "integer"}}}
    told = await schemas.complaint(tool({"properties": {"v": {"anyOf": [{"type": "string"}, one]}}}), {"v": {"n": "x"}})
    assert told == 'At \'v/n\': "x" is not of type "integer".'


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        (r"^\d$", "5", "\u0663"),  # digits are those of ASCII
        (r"^\w$", "e", "é"),
        (r"^\s$", "\ufeff", "x"),
        (r"^a$", "a", "a\n"),  # the end is the end
        (r"^.$", "\U0001f600", "\r"),  # a character is a code point
        (r"^a\/b\-c$", "a/b-c", "a/b"),
        (r"^\u0061\cA$", "a\x01", "a"),
        (r"^(?<n>a)+$", "aa", "b"),
        (r"b", "abc", "ac"),  # it is searched, not matched
        (r"^(a+)+$", "a" * 40, "a" * 40 + "!"),
    ],
)
async def test_patterns_are_those_of_ecmascript(schemas: Schemas, pattern: str, fits: str, fits_not: str) -> None:
    schema = of_pattern(pattern)
    assert await schemas.complaint(tool(schema), {"x": fits}) == ""
    assert "does not match" in await schemas.complaint(tool(schema), {"x": fits_not})
    assert schemas.unchecked == {}


async def test_a_pattern_that_looks_around_is_decided_in_the_process(schemas: Schemas) -> None:
    spec = tool(of_pattern(EMAIL))
    assert read(spec.schema) == SchemaState()
    assert await schemas.complaint(spec, {"x": "ann@example.org"}) == ""
    assert "does not match" in await schemas.complaint(spec, {"x": "ann..b@example.org"})
    assert schemas.unchecked == {}


HOSTILE: list[tuple[str, JSON, dict[str, JSON]]] = [
    ("exponential allOf", exponential(40), {"a": 1}),
    ("a cost that is too high even to write it down", exponential(3_000), {"a": 1}),
    ("a reference to itself", {"$ref": "#"}, {"a": 1}),
    ("two that refer to each other", {"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#"}]}}}, {"a": 1}),
    ("a pattern that is too large", of_pattern("^((a{1,1000}){1,1000}){1,1000}$"), {"x": "a" * 1_000}),
    (
        "many equal objects",
        {"properties": {"x": {"uniqueItems": True}}},
        {"x": [{"a": {"b": n}} for n in range(20_000)]},
    ),
    ("a schema elsewhere", {"$ref": "http://127.0.0.1:9/x"}, {"a": 1}),
    ("a file", {"$ref": "file:///etc/passwd"}, {"a": 1}),
    ("a definition that is not there", {"$ref": "#/$defs/x"}, {"a": 1}),
    ("no schema", {"type": "nonsense"}, {"a": 1}),
    ("huge", {"anyOf": [{"properties": {f"p{n}": {"type": "string"}}} for n in range(2_000)]}, {"a": 1}),
]


@pytest.mark.parametrize(("schema", "arguments"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
async def test_no_schema_holds_up_the_event_loop_and_its_server_is_the_judge(
    schemas: Schemas, schema: JSON, arguments: dict[str, JSON]
) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await anyio.sleep(0.01)
            ticks += 1

    began, cpu = time.monotonic(), time.thread_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tick)
        assert await schemas.complaint(tool(schema), arguments) == ""
        tasks.cancel_scope.cancel()
    assert time.thread_time() - cpu < 1.0
    assert time.monotonic() - began < 30
    assert await schemas.complaint(tool({"required": ["z"]}), {}) == '"z" is a required property.'


async def test_a_schema_that_ends_the_process_is_told_and_in_the_end_not_tried_again(schemas: Schemas) -> None:
    spec = tool(exponential(40))
    for _ in range(2):
        assert await schemas.complaint(spec, {"a": 1}) == ""
        assert schemas.unchecked == {"files__list": "the check took too long or too much memory"}
    began = time.monotonic()
    for _ in range(100):
        assert await schemas.complaint(spec, {"a": 1}) == ""
    assert time.monotonic() - began < 1.0


async def test_what_cannot_be_used_is_told_with_the_reason(schemas: Schemas) -> None:
    assert await schemas.complaint(tool({"$ref": "http://127.0.0.1:9/x"}), {}) == ""
    assert "Retrieval is disabled" in schemas.unchecked["files__list"]


async def test_honest_schemas_that_refer_to_themselves_are_checked_in_place() -> None:
    listed: JSON = {"properties": {"c": {"type": "array", "items": {"$ref": "#"}}, "n": {"type": "integer"}}}
    known = read(canonical(listed))
    assert known.validator is not None
    value: JSON = {"n": 1}
    for _ in range(30):
        value = {"c": [value], "n": 2}
    assert known.in_place(canonical(value))


def test_cost_grows_with_the_levels_that_several_branches_look_at() -> None:
    cost = cost_of(tree(5))
    assert cost is not None
    assert cost.fan == 5
    shallow: JSON = {"c": {"c": {}}}
    deep: JSON = {}
    for _ in range(20):
        deep = {"c": deep}
    assert SchemaState(None, cost).in_place(canonical(shallow))
    assert not SchemaState(None, cost).in_place(canonical(deep))


LEAVES: list[JSON] = [
    {"$ref": "#"},
    {"$ref": "#/$defs/a"},
    {"$ref": "#/$defs/b"},
    {"type": "string"},
    True,
    {"pattern": "^(a|b)*c{1,20}$"},
    {"uniqueItems": True},
    {"enum": [1, "a", {}]},
]


def under(keyword: str, parts: list[JSON]) -> JSON:
    """A schema with these parts under a keyword."""
    if keyword in ("allOf", "anyOf", "oneOf"):
        return {keyword: parts}
    if keyword == "properties":
        return {keyword: dict(zip("xyz", parts, strict=False))}
    return {keyword: parts[0]}


def combined(inner: st.SearchStrategy[JSON]) -> st.SearchStrategy[JSON]:
    keywords = st.sampled_from(
        ["allOf", "anyOf", "oneOf", "properties", "items", "not", "additionalProperties", "if", "then", "propertyNames"]
    )
    return st.builds(under, keywords, st.lists(inner, min_size=1, max_size=3))


PARTS: st.SearchStrategy[JSON] = st.recursive(st.sampled_from(LEAVES), combined, max_leaves=8)
INSTANCES: st.SearchStrategy[JSON] = st.recursive(
    st.none() | st.text("ab", max_size=30) | st.integers(0, 3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(PARTS, PARTS, PARTS, st.dictionaries(st.sampled_from("xyz"), INSTANCES, max_size=3))
def test_whatever_is_checked_in_place_is_cheap(root: JSON, a: JSON, b: JSON, arguments: dict[str, JSON]) -> None:
    schema: dict[str, JSON] = {**(root if isinstance(root, dict) else {}), "$defs": {"a": a, "b": b}}
    known = read(canonical(schema))
    if known.validator is None or not known.in_place(canonical(arguments)):
        return
    began = time.thread_time()
    told = complaint(known.validator, arguments)
    assert time.thread_time() - began < 0.5
    assert isinstance(told, str)


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet="ab(){}[]|*+?\\d^$.,19:=!<>", max_size=25), st.integers(1, 20_000))
def test_no_pattern_costs_more_than_its_budget(pattern: str, size: int) -> None:
    """Linear patterns, whatever they are: what is not linear is not made in place."""
    try:
        validator = validator_of(of_pattern(pattern))
    except Unusable:
        return
    text = "ab" * size
    began = time.thread_time()
    complaint(validator, {"x": text})
    assert time.thread_time() - began < 1.0


def test_the_budgets_are_of_work() -> None:
    cost = cost_of({"type": "object", "properties": {"x": {"pattern": "^[a-z]{1,64}$"}}})
    assert cost is not None
    assert SchemaState(None, cost).in_place(canonical({"x": "a" * 1_000}))
    assert not SchemaState(None, cost).in_place(canonical({"x": "a" * 100_000}))
    wide: JSON = {"x": list(range(STEPS))}
    assert not SchemaState(None, cost).in_place(canonical(wide))
