"""Standing verdicts cover what they were given for, and nothing that only looks like it."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_mcp.core.grants import Grant, fits, literals, matches
from bridge_mcp.core.tools import JSON, canonical

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
VALUES: st.SearchStrategy[JSON] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.shows("approvals.grant-patterns")
@pytest.mark.parametrize(
    ("value", "pattern"),
    [
        ("safe/a.txt", "safe/*"),
        ("safe/deep/er/a.txt", "safe/*"),
        ("safe/", "safe/*"),
        ("a*b", "a[*]b"),
        ("what?", "what?"),
        ("[x]", "[x]"),
        ("C:\\safe\\a", "C:\\safe\\*"),
        ("../up", "../*"),
        ("safe/..hidden", "safe/*"),
        ("safe/a..b", "safe/*"),
        (5, "5"),
        (True, "true"),
        (None, "null"),
        ([1, "a"], '[1,"a"]'),
        ({"b": 1, "a": 2}, '{"a":2,"b":1}'),
        ({"a": 1}, "*"),
        ("", "*"),
        ("", ""),
    ],
)
def test_what_a_pattern_covers(value: JSON, pattern: str) -> None:
    assert matches(value, pattern)


def often(text: str, times: int) -> str:
    """A text with its dots and slashes percent-encoded, over and over."""
    encoded = text.replace(".", "%2e").replace("/", "%2f")
    return encoded.replace("%", "%" + "25" * (times - 1))


@pytest.mark.shows("approvals.grant-patterns")
@pytest.mark.parametrize(
    ("value", "pattern"),
    [
        ("unsafe/a", "safe/*"),
        ("safe", "safe/*"),
        ("Safe/a", "safe/*"),
        ("safe/../etc/passwd", "safe/*"),
        ("safe/..", "safe/*"),
        ("safe\\..\\etc", "safe*"),
        ("safe/%2e%2e/etc", "safe/*"),
        ("safe/%2E./etc", "safe/*"),
        ("safe/%252e%252e/etc", "safe/*"),
        ("safe%2f..%2fetc", "safe*"),
        *((f"safe/{often('..', times)}/etc", "safe/*") for times in (1, 2, 3, 4, 5, 7, 8, 20)),
        *((often("safe/../etc", times), "safe*") for times in (3, 4, 9)),
        ("../up", "*"),
        ("safe/a\n/etc/passwd", "safe/*"),
        ("safe/\u202ea", "safe/*"),
        ("safe/a\x00", "safe/*"),
        ("abc", "a?c"),
        ("abc", "a[b]c"),
        ("axb", "a[*]b"),
        (55, "5*"),
        (5.0, "5"),
        (True, "t*"),
        (True, "1"),
        (False, "0"),
        (None, ""),
        (None, "None"),
        (["safe/a"], "safe/*"),
        (["safe/a", "/etc"], "*safe*"),
        ({"path": "safe/a"}, "*safe*"),
        ({"path": "../x"}, "*"),
        ({"../x": 1}, "*"),
        ([["../x"]], "*"),
    ],
)
def test_what_no_pattern_covers_by_surprise(value: JSON, pattern: str) -> None:
    assert not matches(value, pattern)


@given(VALUES, TEXTS)
def test_without_a_wildcard_only_the_very_text_matches(value: JSON, pattern: str) -> None:
    if "*" not in pattern and matches(value, pattern):
        assert pattern == (value if isinstance(value, str) else canonical(value))


@given(TEXTS, TEXTS)
def test_a_folder_grants_what_is_in_it_and_nothing_else(folder: str, path: str) -> None:
    folder = folder.replace("*", "")
    if matches(path, f"{folder}/*"):
        assert path.startswith(f"{folder}/")
        assert ".." not in path.replace("\\", "/").split("/") or ".." in folder.replace("\\", "/").split("/")


@given(st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3), st.dictionaries(st.sampled_from("abc"), TEXTS))
def test_every_named_argument_has_to_be_there_and_match(arguments: dict[str, JSON], patterns: dict[str, str]) -> None:
    grant = Grant(1, "t__x", arguments=tuple(patterns.items()))
    expected = all(name in arguments and matches(arguments[name], pattern) for name, pattern in patterns.items())
    assert grant.covers("t__x", arguments, "family/1", 0.0) is expected


@pytest.mark.parametrize(
    ("where", "inside", "outside"),
    [
        ("", ["family/1", "local/main", "calls/host.00"], []),
        ("family", ["family/1", "family/1/7"], ["familybusiness/1", "local/family", "calls/family.00"]),
        ("family/1", ["family/1"], ["family/1/7", "family/12", "family/2"]),
        ("calls/host", ["calls/host.00"], ["calls/host2.00", "calls/ho.00", "host/calls"]),
        ("calls/a.b", ["calls/a.b.00"], ["calls/a.00"]),
    ],
)
def test_where_a_grant_holds(where: str, inside: list[str], outside: list[str]) -> None:
    grant = Grant(1, "t__x", where)
    assert all(grant.holds_in(conversation) for conversation in inside)
    assert not any(grant.holds_in(conversation) for conversation in outside)


@pytest.mark.parametrize("tool", ["t__xy", "t__", "T__x", "t__*", "t__?"])
def test_a_grant_is_for_one_tool(tool: str) -> None:
    assert not Grant(1, "t__x").covers(tool, {}, "family/1", 0.0)
    assert not Grant(1, tool).covers("t__x", {}, "family/1", 0.0), "its name is no pattern"


def test_a_grant_ends_when_its_time_is_up() -> None:
    grant = Grant(1, "t__x", expires_at=10.0)
    assert grant.covers("t__x", {}, "family/1", 9.9)
    assert not grant.covers("t__x", {}, "family/1", 10.0)


@given(st.text(alphabet="ab*[]\0\n", max_size=8), st.text(alphabet="ab*[]\0\n", max_size=12))
def test_stars_stand_for_any_run_as_in_a_regular_expression(pattern: str, text: str) -> None:
    parts = re.split(r"(\[\*\]|\*)", pattern)
    meant = "".join(".*" if each == "*" else r"\*" if each == "[*]" else re.escape(each) for each in parts)
    assert fits(text, literals(pattern)) == bool(re.fullmatch(meant, text, re.DOTALL))


@pytest.mark.parametrize("pattern", ["*a" * 200 + "*b", "a*" * 5_000, "*" * 10_000, "*ab*" * 2_000 + "c"])
def test_no_pattern_takes_long(pattern: str) -> None:
    began = time.thread_time()
    matches("a" * 200_000, pattern)
    matches("ab" * 100_000 + "é\n", pattern)
    assert time.thread_time() - began < 2.0
