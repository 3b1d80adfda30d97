"""One approval: the whole call, a form for its arguments, and the verdict. Its address carries no right."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Literal, cast

from starlette.responses import Response

from bridge_mcp.console.call_view import Argument, arguments_view, call_view
from bridge_mcp.console.following import followed, start_of
from bridge_mcp.console.schema_form import Field, fields_of, read_arguments, with_complaint
from bridge_mcp.console.streams import event
from bridge_mcp.console.visits import Page, Visit, path_of
from bridge_mcp.core.errors import BadInput, BadJSON
from bridge_mcp.core.json_reader import read_json
from bridge_mcp.core.safe_text import escaped, pretty
from bridge_mcp.core.tools import JSON, canonical, parse_arguments
from bridge_mcp.service import ApprovalDetails

__all__ = ["PAGES"]

EVENTS = ("approval.reviewed", "approval.voted", "approval.decided", "tool.started", "tool.finished")

SPANS = ((0, "until it is revoked"), (3600, "for an hour"), (86_400, "for a day"), (7 * 86_400, "for a week"))
"""For how long a verdict may be remembered, in seconds."""

ALIKE_SHOWN = 8
"""Calls of a preview that are shown."""


async def index(visit: Visit) -> Response:
    """The page."""
    after = await start_of(visit)
    details = await visit.bridge.get_approval(visit.who, visit.path("id"))
    return await page_of(visit, details, after=after)


async def page_of(
    visit: Visit,
    details: ApprovalDetails,
    *,
    after: int = -1,
    fields: tuple[Field, ...] | None = None,
    error: str = "",
    code: int = 200,
) -> Response:
    """The page, with what was filled in and what is wrong with it."""
    context = context_of(details)
    if fields is not None:
        context["fields"] = fields
    after = await start_of(visit) if after < 0 else after
    as_json = visit.query("as") == "json" or visit.form.get("as") == "json" or not context["fields"]
    text = visit.form.get("json") if as_json and "json" in visit.form else context["json"]
    values: dict[str, object] = {"as_json": as_json, "json": text, "error": error, "after": after, "form": visit.form}
    return await visit.page("approval.html", code=code, **(context | values))


def context_of(details: ApprovalDetails) -> dict[str, object]:
    """What the templates show of an approval."""
    approval = details.approval
    view = call_view(approval, details.spec, may_decide=details.may_decide, whole=True)
    arguments = arguments_of(approval.arguments)
    schema = details.spec.schema if details.spec is not None else ""
    return {
        "details": details,
        "view": view,
        "approval": approval,
        "record": details.record,
        "fields": fields_of(arguments, schema) if arguments is not None and not approval.fixed else (),
        "json": escaped(pretty(approval.arguments)),
        "given": arguments or {},
        "patterns": patterns_for(arguments or {}),
        "spans": SPANS,
        "edited": arguments_view(approval.edited, whole=True) if approval.edited else (),
        "changed": changed_names(arguments or {}, arguments_of(approval.edited) or {})
        if approval.edited
        else frozenset(),
    }


def arguments_of(text: str) -> Mapping[str, JSON] | None:
    """Arguments as a value; None where they are no JSON object."""
    try:
        return parse_arguments(text)
    except BadInput:
        return None


def changed_names(before: Mapping[str, JSON], now: Mapping[str, JSON]) -> frozenset[str]:
    """The arguments in which an edited call differs from what was asked for."""
    return frozenset(
        name for name in {*before, *now} if name not in before or name not in now or before[name] != now[name]
    )


def patterns_for(arguments: Mapping[str, JSON]) -> tuple[tuple[str, str], ...]:
    """For each argument the pattern that matches just this value, to be widened by hand."""
    return tuple(
        (name, pattern_of(value))
        for name, value in list(arguments.items())[:40]
        if len(pattern_of(value)) < 500 and "\r" not in pattern_of(value)
    )


def pattern_of(value: JSON) -> str:
    return value.replace("*", "[*]") if isinstance(value, str) else canonical(value)


async def decide(visit: Visit) -> Response:
    """A verdict: on the call as it is, or with the arguments of the form."""
    details = await visit.bridge.get_approval(visit.who, visit.path("id"))
    approval = details.approval
    visit.who.require("approve")
    if visit.form.get("digest") != approval.digest:
        raise BadInput("This is not the call that was shown.", fix="Look at it again.")
    if visit.form.get("verdict") == "reject":
        await visit.bridge.reject_call(visit.who, approval.id, reason=visit.form.get("note").strip())
        return back(visit, approval.id)
    fields: tuple[Field, ...] | None = None
    try:
        arguments, fields = sent_arguments(visit, details)
        if fields is not None and any(field.wrong for field in fields):
            return await page_of(visit, details, fields=fields, error="Nothing was decided yet.", code=422)
        remember = cast("Literal['once', 'conversation', 'always']", visit.form.get("remember", "once"))
        narrowed = remember != "once"
        await visit.bridge.approve_call(
            visit.who,
            approval.id,
            digest=visit.form.get("digest"),
            arguments=arguments,
            remember=remember,
            remember_arguments=sent_patterns(visit) if narrowed else {},
            remember_s=seconds(visit.form.get("remember_s", "0")) if narrowed else 0.0,
            note=visit.form.get("note").strip(),
        )
    except BadInput as exc:
        fields, complaint = with_complaint(fields, str(exc)) if fields is not None else (None, str(exc))
        message = complaint or "Nothing was decided yet."
        return await page_of(visit, details, fields=fields, error=message, code=422)
    return back(visit, approval.id)


def back(visit: Visit, approval: str) -> Response:
    """After a verdict: the list, or the page of this call where it was decided there."""
    return visit.go("/approvals" if visit.form.get("from") == "list" else f"/approvals/{path_of(approval)}")


def sent_arguments(
    visit: Visit, details: ApprovalDetails
) -> tuple[Mapping[str, JSON] | None, tuple[Field, ...] | None]:
    """The arguments of the form where they are others than the call's, and the fields as they were filled in.

    Raises:
        BadInput: they are no JSON object, or the form lacks a field of today's schema.
    """
    current = arguments_of(details.approval.arguments)
    if visit.form.get("as") == "json":
        if visit.form.get("json") == escaped(pretty(details.approval.arguments)):
            return None, None
        try:
            value = read_json(visit.form.get("json"))
        except BadJSON as exc:
            raise BadInput(f"The arguments are not JSON: {exc}", fix="Nothing was decided yet.") from None
        if not isinstance(value, dict):
            raise BadInput("The arguments are not a JSON object.", fix="Nothing was decided yet.")
        return (None if current is not None and canonical(dict(current)) == canonical(value) else value), None
    if visit.form.get("as") != "form" or current is None or details.approval.fixed:
        return None, None
    schema = details.spec.schema if details.spec is not None else ""
    fields = fields_of(current, schema)
    if (current and not fields) or any(f"a.{field.name}" not in visit.form for field in fields):
        raise BadInput("The form is not the one of these arguments any more.", fix="Look at them again.")
    sent, fields = read_arguments(visit.form, fields)
    same = json.dumps(sent, sort_keys=True) == json.dumps(dict(current), sort_keys=True)
    return (None if same else sent), fields


def sent_patterns(visit: Visit) -> dict[str, str]:
    """The patterns by which a grant is limited: those of the arguments that are marked."""
    marked = visit.form.all("limit")
    return {name: visit.form.get(f"p.{name}") for name in marked}


def seconds(text: str) -> float:
    """A span of the form. Raises BadInput where it is none."""
    if not (text.isascii() and text.isdigit()):
        raise BadInput(f"'{text[:20]}' is no number of seconds.", fix="Choose one of the spans.")
    return float(text)


async def preview(visit: Visit) -> Response:
    """What a verdict that is remembered so would have let run."""
    where = visit.form.get("remember", "once")
    if where == "once":
        return visit.part("grant-preview.html", preview=None)
    matches = await visit.bridge.preview_grant(
        visit.who, visit.path("id"), sent_patterns(visit), everywhere=where == "always"
    )
    previews: list[tuple[str, float, tuple[Argument, ...]]] = [
        (each.conversation, each.asked_at, arguments_view(each.arguments, whole=False))
        for each in matches.matched[:ALIKE_SHOWN]
    ]
    return visit.part("grant-preview.html", preview=matches, shown=previews)


async def stream(visit: Visit) -> Response:
    """What becomes of this call, as it happens."""
    return visit.console.streams.response(visit.who, changes(visit))


async def changes(visit: Visit) -> AsyncIterator[bytes]:
    """The state of the call, once it changes."""
    approval = visit.path("id")
    conversation = (await visit.bridge.get_approval(visit.who, approval)).approval.conversation
    async for page in followed(visit, EVENTS, conversation if not conversation.startswith("calls/") else ""):
        if page.gap or any(each.body.get("approval") == approval for each in page.events):
            details = await visit.bridge.get_approval(visit.who, approval)
            html = visit.html("approval-state-change.html", **context_of(details))
            yield event(html, page.cursor)


PAGES = (
    Page("/approvals/{id}", index),
    Page("/approvals/{id}", decide, "POST"),
    Page("/approvals/{id}/preview", preview, "POST"),
    Page("/approvals/{id}/stream", stream),
)
