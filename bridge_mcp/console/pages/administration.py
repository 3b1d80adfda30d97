"""Who was let in: pairings, grants, clients; for admins."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal, cast

from starlette.responses import Response

from bridge_mcp.console.following import followed, start_of
from bridge_mcp.console.pages.approval import SPANS, seconds
from bridge_mcp.console.streams import event
from bridge_mcp.console.visits import Page, Visit
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.face_words import AS_PAGES, in_words
from bridge_mcp.core.policy import SCOPES

__all__ = ["PAGES"]


# -- grants ----------------------------------------------------------------------------------------------------


async def grants(visit: Visit, error: str = "") -> Response:
    """The standing verdicts, and a form for one more; with what is wrong with one that was sent."""
    after = await start_of(visit)
    tools = sorted(spec.name for spec in (await visit.bridge.list_tools(visit.who)).tools)
    return await visit.page(
        "grants.html",
        code=422 if error else 200,
        grants=await visit.bridge.list_grants(visit.who),
        tools=tools,
        spans=SPANS,
        error=error,
        form=visit.form,
        after=after,
    )


async def grant_stream(visit: Visit) -> Response:
    """The grants in force, whenever one is given or ends by somebody's hand."""
    visit.who.require("admin")
    return visit.console.streams.response(visit.who, changed_grants(visit))


async def changed_grants(visit: Visit) -> AsyncIterator[bytes]:
    """The rows of the page, all of them: there are few."""
    async for page in followed(visit, ("grant.made", "grant.revoked")):
        rows = visit.html("grants-change.html", grants=await visit.bridge.list_grants(visit.who))
        yield event(rows, page.cursor)


async def make_grant(visit: Visit) -> Response:
    """Give a standing verdict."""
    form = visit.form
    try:
        await visit.bridge.make_grant(
            visit.who,
            form.get("tool").strip(),
            where=form.get("where").strip(),
            arguments=patterns_in(form.get("arguments")),
            for_s=seconds(form.get("for_s", "0")),
        )
    except BadInput as exc:
        return await grants(visit, in_words(exc, AS_PAGES))
    return visit.go("/grants")


def patterns_in(text: str) -> dict[str, str]:
    """Patterns by argument, one `NAME=PATTERN` on each line.

    Raises:
        BadInput: a line has another form.
    """
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    pairs = [line.partition("=") for line in lines]
    patterns = {name.strip(): pattern for name, _, pattern in pairs}
    if any("=" not in line for line in lines) or "" in patterns:
        raise BadInput("Each line is NAME=PATTERN.", fix="For example: path=notes/*")
    return patterns


async def revoke_grant(visit: Visit) -> Response:
    """End a standing verdict."""
    text = visit.form.get("grant")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise BadInput("This names no grant.", fix="Reload the page.")
    await visit.bridge.revoke_grant(visit.who, int(text))
    return visit.go("/grants")


# -- pairings --------------------------------------------------------------------------------------------------


async def pairings(visit: Visit, error: str = "") -> Response:
    """Who was let in, and who asks; with what is wrong with a code that was sent."""
    paired, requests = await visit.bridge.list_pairings(visit.who)
    code = 422 if error else 200
    return await visit.page("pairing.html", code=code, paired=paired, requests=requests, error=error, form=visit.form)


async def pair(visit: Visit) -> Response:
    """Let in whoever was shown a code."""
    role = cast("Literal['user', 'approver']", visit.form.get("role", "user"))
    try:
        await visit.bridge.pair_chat(visit.who, code=visit.form.get("code").strip(), role=role)
    except BadInput as exc:
        return await pairings(visit, in_words(exc, AS_PAGES))
    return visit.go("/pairing")


async def unpair(visit: Visit) -> Response:
    """Let somebody in no longer."""
    await visit.bridge.unpair_chat(visit.who, channel=visit.form.get("channel"), chat=visit.form.get("chat"))
    return visit.go("/pairing")


# -- clients ---------------------------------------------------------------------------------------------------


async def clients(visit: Visit, *, error: str = "", token: str = "", name: str = "") -> Response:
    """Who may come over HTTP; with a `token`, which is shown this once, or with what is wrong with a form."""
    return await visit.page(
        "clients.html",
        code=422 if error else 200,
        clients=await visit.bridge.list_clients(visit.who),
        named=visit.console.taken,
        scopes=SCOPES,
        form=visit.form,
        error=error,
        token=token,
        name=name,
    )


async def add_client(visit: Visit) -> Response:
    """Let a client in, and show its token."""
    form = visit.form
    limits = [place for place in form.get("within").split() if place]
    try:
        client, token = await visit.bridge.add_client(
            visit.who,
            form.get("name").strip(),
            scopes=form.all("scope"),
            channels=[place for place in limits if "/" not in place],
            conversations=[place for place in limits if "/" in place],
            taken_names=visit.console.taken,
        )
    except BadInput as exc:
        return await clients(visit, error=in_words(exc, AS_PAGES))
    return await clients(visit, token=token, name=client.name)


async def revoke_client(visit: Visit) -> Response:
    """Shut a client out; what it has open ends."""
    await visit.bridge.revoke_client(visit.who, visit.form.get("name"))
    return visit.go("/clients")


PAGES = (
    Page("/grants", grants),
    Page("/grants", make_grant, "POST"),
    Page("/grants/stream", grant_stream),
    Page("/grants/revoke", revoke_grant, "POST"),
    Page("/pairing", pairings),
    Page("/pairing", pair, "POST"),
    Page("/pairing/remove", unpair, "POST"),
    Page("/clients", clients),
    Page("/clients", add_client, "POST"),
    Page("/clients/revoke", revoke_client, "POST"),
)
