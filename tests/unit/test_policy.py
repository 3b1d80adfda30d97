"""The owner's word: which call asks, how it is asked about, and who may act where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge_mcp.core.approval_settings import (
    APPROVAL_FIELDS,
    ApprovalSettings,
    ConfirmationMode,
    PartialApprovalSettings,
)
from bridge_mcp.core.entries import Call
from bridge_mcp.core.errors import Denied
from bridge_mcp.core.grants import Grant
from bridge_mcp.core.policy import SCOPES, Free, NeedsVerdict, Policy, Principal, ToolRule
from bridge_mcp.core.tools import Confirmation, ToolSpec

HERE = "family/1"


def spec(confirmation: Confirmation = "default", *, read_only: bool = False) -> ToolSpec:
    return ToolSpec(
        "files__get", "files", "get", description="", schema="{}", read_only=read_only, confirmation=confirmation
    )


def gate(policy: Policy) -> type[object]:
    return type(policy.gate(Call("1.0", "files__get", '{"path":"a"}'), 0.0))


@pytest.mark.shows("approvals.by-annotation")
@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("server", ["required", "never", "by-annotation", "default"])
@pytest.mark.parametrize("general", ["required", "never", "by-annotation"])
@pytest.mark.parametrize("rule", ["required", "never", "by-annotation", None])
def test_the_most_special_word_holds_and_annotations_loosen_no_required(
    rule: ConfirmationMode | None, server: Confirmation, general: ConfirmationMode, read_only: bool
) -> None:
    rules = (ToolRule("files__*", {} if rule is None else {"confirmation": rule}),)
    tools = {"files__get": spec(server, read_only=read_only)}
    policy = Policy(HERE, tools, defaults=ApprovalSettings(confirmation=general), rules=rules)
    wanted = rule or (server if server != "default" else general)
    free = wanted == "never" or (wanted == "by-annotation" and read_only)
    assert gate(policy) is (Free if free else NeedsVerdict)


@pytest.mark.shows("approvals.rules")
def test_the_first_rule_that_says_something_holds_each_matter_by_itself() -> None:
    rules = (
        ToolRule("files__get", {"quorum": 2}),
        ToolRule("files__*", {"expires_s": 5.0, "quorum": 3}),
        ToolRule("*", {"expires_s": 9.0, "route": "family/7", "escalate_s": 0.0}),
    )
    general = ApprovalSettings(expires_s=600, remind_s=60, escalate_s=120, escalate_to="family/9")
    policy = Policy(HERE, rules=rules, defaults=general)
    wanted = replace(general, expires_s=5.0, route="family/7", escalate_s=0.0)
    assert policy.asking("files__get") == replace(wanted, quorum=2)
    assert policy.asking("files__put") == replace(wanted, quorum=3)
    assert policy.asking("mail__send") == replace(wanted, expires_s=9.0)


def test_a_part_can_say_all_that_there_is_to_say() -> None:
    assert set(PartialApprovalSettings.__annotations__) == APPROVAL_FIELDS
    every = ApprovalSettings(confirmation="never", quorum=3, route="family/7")
    assert ApprovalSettings().overridden(every.as_part(), {"quorum": 2}) == every


def test_what_takes_several_approvers_is_freed_by_no_grant() -> None:
    tools = {"files__get": spec("required")}
    granted = (Grant(1, "files__get"),)
    assert gate(Policy(HERE, tools, grants=granted)) is Free
    assert gate(Policy(HERE, tools, grants=granted, rules=(ToolRule("*", {"quorum": 2}),))) is NeedsVerdict


def test_a_tool_that_changed_asks_whatever_else_is_said() -> None:
    changed = ToolSpec(
        "files__get",
        "files",
        "get",
        description="",
        schema="{}",
        read_only=True,
        confirmation="never",
        changed="schema",
    )
    never = ToolRule("*", {"confirmation": "never"})
    grants = (Grant(1, "files__get"),)
    defaults = ApprovalSettings(confirmation="never")
    policy = Policy(HERE, {"files__get": changed}, defaults=defaults, grants=grants, rules=(never,))
    assert gate(policy) is NeedsVerdict


# -- principals ----------------------------------------------------------------------------------------------

PLACES = st.sampled_from(["family", "work", "family/1", "family/2", "work/1"])
CONVERSATIONS = st.sampled_from(["family/1", "family/1/5", "family/2", "family/12", "work/1", "familyx/1", "calls/a.0"])


@given(st.frozensets(PLACES, max_size=3), CONVERSATIONS)
def test_a_principal_sees_its_channels_and_its_chats_with_their_topics(
    places: frozenset[str], conversation: str
) -> None:
    who = Principal(
        "c",
        channels=frozenset(p for p in places if "/" not in p),
        conversations=frozenset(p for p in places if "/" in p),
    )
    inside = any(conversation == place or conversation.startswith(f"{place}/") for place in places)
    assert who.sees(conversation) is (inside or not places)
    if who.sees(conversation):
        assert who.sees_channel(conversation.partition("/")[0])
    assert not (who.within and who.sees("")), "what belongs to no conversation is for those who see all"


@pytest.mark.parametrize("scope", SCOPES)
def test_a_denial_names_the_missing_scope(scope: str) -> None:
    others = frozenset(s for s in SCOPES if s != scope)
    Principal("c", scopes=frozenset(SCOPES)).require(scope)  # pyright: ignore[reportArgumentType]
    with pytest.raises(Denied, match=f"needs the scope '{scope}'"):
        Principal("c", scopes=others).require(scope)  # pyright: ignore[reportArgumentType]
