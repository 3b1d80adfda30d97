"""The read-only tools: scope `read`.

The annotations of this module's functions are read at run time, as each tool's parameters.
"""

from typing import Annotated, Literal

from pydantic import Field

from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.tool_search import search_tools
from bridge_mcp.server.tools import answers, approval_answers, attachments, bridge_answers, status_answers
from bridge_mcp.server.tools.message_pages import message_page
from bridge_mcp.server.tools.pages import fitting, page
from bridge_mcp.server.tools.params import ConversationId, Text, Texts
from bridge_mcp.server.tools.tool import ContentAnswer, Tool, ToolCall, tool
from bridge_mcp.server.tools.tool_pages import tool_page, whole_tools

__all__ = ["READ_TOOLS"]

MAX_FETCHED = 5_000_000
"""Bytes of a file that is fetched for showing it in pieces, unless the caller takes more at once."""

Seconds = Annotated[float, Field(ge=0, le=50)]
ShowFiles = Annotated[bool, Field(description="Show a result's files too")]


@tool("read", read_only=True, answer_listed=False)
async def list_channels(call: ToolCall) -> status_answers.Channels:
    """The chat accounts this bridge holds, and how each is."""
    return status_answers.Channels.of({"channels": await call.bridge.list_channels(call.who)})


@tool("read", read_only=True)
async def list_conversations(
    call: ToolCall,
    channel: str = "",
    query: Annotated[str, Field(description="Part of an id or a title")] = "",
    limit: Annotated[int, Field(ge=1, le=200)] = 50,
    cursor: str = "",
) -> answers.ConversationPage:
    """Chats, the most recent first. Pass the answer's cursor for the next page; it is empty at the end."""

    async def ask(most: int) -> answers.ConversationPage:
        return answers.ConversationPage.of(
            await call.bridge.list_conversations(call.who, channel=channel, query=query, limit=most, cursor=cursor)
        )

    return await page(ask, "conversations", limit)


@tool("read", read_only=True)
async def read_messages(
    call: ToolCall,
    conversation: ConversationId,
    before: Annotated[str, Field(description="A message id: read what is older")] = "",
    limit: Annotated[int, Field(ge=1, le=200)] = 50,
    calls: Annotated[
        bool, Field(description="Also tool calls: who asked and decided, what ran, what came back")
    ] = False,
) -> answers.MessagePage:
    """The last messages of a chat, oldest first. Pass the answer's `before` for older ones, until it is empty."""
    return await message_page(call.bridge, call.who, conversation, before=before, limit=limit, calls=calls)


@tool("read", read_only=True, answer_listed=False)
async def search_messages(
    call: ToolCall,
    query: Text,
    conversation: ConversationId = "",
    limit: Annotated[int, Field(ge=1, le=100)] = 20,
) -> answers.MessageSearch:
    """Messages that hold every word of the query, the newest first."""
    messages = await call.bridge.search_messages(call.who, query, conversation=conversation, limit=limit)
    answer = answers.MessageSearch.of({"messages": messages})
    fits = fitting(answer.as_json()["messages"])
    if fits < len(answer.messages):
        answer.truncated = f"{len(answer.messages) - fits} older ones are left out: use a narrower query."
        answer.messages = answer.messages[:fits]
    return answer


@tool("read", read_only=True, open_world=True)
async def fetch_attachment(
    call: ToolCall,
    message: Annotated[str, Field(description="A message id, or the ticket of a call")],
    index: Annotated[int, Field(ge=0, le=100, description="Which of its files")] = 0,
    form: Annotated[
        Literal["auto", "base64", "text", "json"],
        Field(
            description="auto: text as text, images as images; "
            "text, json: what the message, ticket or approval itself says"
        ),
    ] = "auto",
    max_bytes: Annotated[
        int | None,
        Field(ge=1, le=50 * 1024 * 1024, description="Whole up to this size, else in pieces"),
    ] = None,
    offset: Annotated[
        int, Field(ge=0, le=50 * 1024 * 1024, description="First character of a text, or byte of base64")
    ] = 0,
) -> answers.FetchedFile | ContentAnswer:
    """A file that came with a message or a tool's result, or a text that was too long for another answer."""
    if form in ("text", "json"):
        file, index = await call.bridge.whole_text(call.who, message, structured=form == "json"), 0
    else:
        file = await call.bridge.fetch_attachment(call.who, message, index=index, max_bytes=max_bytes or MAX_FETCHED)
    return attachments.file_result(file, message, index, form=form, max_bytes=max_bytes, offset=offset)


@tool("read", read_only=True)
async def wait_for_events(
    call: ToolCall,
    after: Annotated[
        int | None, Field(ge=0, le=2**53, description="Cursor of the last answer; 0: from the beginning")
    ] = None,
    consumer: Annotated[
        str, Field(description="Name under which the bridge keeps your cursor; `after` acknowledges")
    ] = "",
    types: Annotated[Texts, Field(description="Such as message.received; all if empty")] = (),
    conversation: ConversationId = "",
    limit: Annotated[int, Field(ge=1, le=500)] = 100,
    timeout_s: Seconds = 20,
) -> answers.EventPage:
    """What happened in the bridge, waiting for the first event if there is none yet.

    Call it again with the answer's cursor. `gap` says that older events are gone. Without `after` or `consumer` it
    begins now.
    """
    waiting = call.bridge.wait_for_events(
        call.who,
        after=after,
        consumer=consumer,
        types=types,
        conversation=conversation,
        limit=limit,
        timeout_s=timeout_s,
    )
    answer = answers.EventPage.of(await call.wait(waiting, timeout_s))
    fits = fitting(answer.as_json()["events"])
    if fits < len(answer.events):
        answer.events = answer.events[:fits]
        answer.cursor = answer.events[-1].cursor
    return answer


@tool("read", read_only=True)
async def wait_for(
    call: ToolCall,
    ticket: Annotated[str, Field(description="Id of a ticket or an approval")],
    timeout_s: Seconds = 20,
    show_files: ShowFiles = False,
) -> approval_answers.Ticket | ContentAnswer:
    """How a turn, question, call or approval stands, waiting until it is done. Ask again while `state` is `open`."""
    answer = call.bridge.wait_for(call.who, ticket, timeout_s=timeout_s, progress=call.hear)
    return await attachments.with_files(call, await call.wait(answer, timeout_s), shown=show_files)


@tool("read", read_only=True)
async def list_approvals(
    call: ToolCall,
    conversation: ConversationId = "",
    status: Literal["waiting", "approved", "rejected", "expired", "cancelled", "any"] = "waiting",
    limit: Annotated[int, Field(ge=1, le=500)] = 100,
    cursor: Annotated[str, Field(description="From the page before")] = "",
    mine: Annotated[bool, Field(description="Only those you may decide")] = False,
) -> approval_answers.ApprovalPage:
    """Tool calls that wait for a verdict, newest first.

    With whole arguments, digest, who asked, when each expires; `count` on all pages.
    """

    async def ask(most: int) -> approval_answers.ApprovalPage:
        return approval_answers.ApprovalPage.of(
            await call.bridge.page_approvals(
                call.who, conversation=conversation, status=status, limit=most, cursor=cursor, mine=mine
            )
        )

    return await page(ask, "approvals", limit)


@tool("read", read_only=True, answer_listed=False)
async def list_tools(
    call: ToolCall,
    query: Annotated[str, Field(description="Words of a name or description; best match first")] = "",
    names: Annotated[Texts, Field(description="Only these tools, each with its schema")] = (),
    limit: Annotated[int, Field(ge=1, le=200)] = 100,
    cursor: str = "",
) -> bridge_answers.ToolPage:
    """The nested tools that the assistant and call_tool can use, and how their servers are.

    A few come with their schemas; of many each is a line: pass `names` for the schemas, and the answer's cursor for the
    next page.
    """
    tool_list = await call.bridge.list_tools(call.who)
    if names:
        return whole_tools(tool_list, names)
    matching = search_tools(tool_list.tools, query)
    return tool_page(tool_list, matching, limit=limit, offset=offset_of(cursor))


def offset_of(cursor: str) -> int:
    """The index in a list that a cursor holds.

    Raises:
        BadInput: it is no cursor of `list_tools`.
    """
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 10):
        raise BadInput(f"'{cursor[:40]}' is not a cursor.", fix="Use one as a page of list_tools gave it.")
    return int(cursor)


@tool("read", read_only=True, answer_listed=False)
async def get_status(call: ToolCall) -> status_answers.Status:
    """How the bridge is: engine, channels, tool servers, what waits, and warnings with their fixes."""
    return status_answers.Status.of(await call.bridge.get_status(call.who))


READ_TOOLS: tuple[Tool, ...] = (
    list_channels,
    list_conversations,
    read_messages,
    search_messages,
    fetch_attachment,
    wait_for_events,
    wait_for,
    list_approvals,
    list_tools,
    get_status,
)
