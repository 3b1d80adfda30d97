"""The commands of a chat: one table for every channel, for the CLI and for MCP.

Only a text whose first word is one of these, slash included, is a command; "approve vacation" is a message. Capitals, a
full stop and white space around it are ignored (`command_spelling`). A command with a typo gets a hint and reaches no
model.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from itertools import takewhile

from msgspec import Struct

from bridge_mcp.core import chat_texts
from bridge_mcp.core.address import Address
from bridge_mcp.core.entries import Call
from bridge_mcp.core.errors import BadInput, NotFound
from bridge_mcp.core.policy import Free, Policy, Principal, Scope
from bridge_mcp.core.projections import Approval
from bridge_mcp.core.results import ConversationStatus, Decision
from bridge_mcp.core.safe_text import visible
from bridge_mcp.core.spending import day_of, exceeded_cap, scopes
from bridge_mcp.core.tools import ToolSpec, parse_arguments
from bridge_mcp.operations import approvals, command_spelling, conversations, status_board, tickets
from bridge_mcp.operations.approval_texts import escalation_key, prompt_key
from bridge_mcp.ports import ChannelRules, ChannelTraits, Clock, Rules, Store

__all__ = [
    "COMMANDS",
    "Command",
    "Scene",
    "could_be_bare",
    "hint",
    "is_command",
    "is_verdict",
    "run",
    "unknown_command",
]


BARE = frozenset({"stop", "approve", "reject"})
"""Commands that people write without their slash when there is something to stop or decide."""
LISTED = 200
"""Characters of arguments, as shown, in a list of waiting calls."""

TIME_TO_SEE_S = 1.5
"""A bare `/approve` means an approval that was asked at least this long ago: its sender has seen that one."""


class Scene(Struct, frozen=True):
    """The parts of the bridge that a command may use."""

    store: Store
    rules: Rules
    traits: Mapping[str, ChannelTraits]
    clock: Clock
    ahead_since: Callable[[float], float] = lambda at: 0.0
    """See `Jumps.ahead_since`: questions stay open for so much longer."""
    check: approvals.Check = approvals.no_check
    """What is wrong with arguments that somebody edited, by the tool's schema."""


class Invocation(Struct, frozen=True):
    """One use of a command."""

    scene: Scene
    who: Principal
    conversation: str
    words: tuple[str, ...]
    text: str = ""
    """All of it as it was written."""
    by_id: bool = False
    """Whether a call has to be named by id to be approved."""
    pressed: bool = False
    """Whether it came by a button, which is only below complete prompts."""


class Command(Struct, frozen=True):
    """A command: its scope, a line of help, and its function."""

    scope: Scope
    usage: str
    about: str
    answer: Callable[[Invocation], Awaitable[str]]


def is_command(text: str) -> bool:
    """Whether a chat text is a command. The channel has removed a bot's name behind it (`/status@my_bot`)."""
    return bool(command_spelling.command_words(text, COMMANDS))


def is_verdict(text: str) -> bool:
    """Whether a chat text is a command that decides on a call."""
    return command_spelling.command_words(text, COMMANDS)[:1] in (("approve",), ("reject",))


def hint(text: str, busy: Collection[str] = ()) -> str:
    """The hint for a misspelled command; "" for any other text.

    `busy` holds the commands that would do something now: their bare names, alone in a message, count as misspelled.
    """
    if command := command_spelling.nearest(text, COMMANDS):
        return chat_texts.typo(slash(command))
    word = command_spelling.single_word(text)
    return chat_texts.send_with_slash(slash(word)) if word in busy else ""


def unknown_command(text: str) -> str:
    """The answer to one word with a slash that is no command; "" for other texts."""
    if is_command(text) or not (name := command_spelling.lone_name(text)):
        return ""
    return chat_texts.unknown_command(slash(name))


def could_be_bare(text: str) -> bool:
    """Whether a text is the bare name of a command that stops or decides something."""
    return command_spelling.single_word(text) in BARE


async def run(
    scene: Scene, who: Principal, conversation: str, text: str, *, by_id: bool = False, pressed: bool = False
) -> str:
    """Run a command and return its answer. `pressed`: it came by one of the bridge's own buttons.

    `by_id`: a call has to be named to be approved, because others in the chat may mean another one, or because the
    message was edited.

    Raises:
        BadInput: there is no such command.
        Denied: `who` lacks its scope.
    """
    words = command_spelling.command_words(text, COMMANDS)
    if not words:
        raise BadInput(
            f"There is no command '{text[:40]}'.", fix=f"The commands are: {', '.join(map(slash, COMMANDS))}."
        )
    command = COMMANDS[words[0]]
    who.require(command.scope)
    asked = Invocation(scene, who, conversation, words=words[1:], text=text, by_id=by_id, pressed=pressed)
    return await command.answer(asked)


def slash(name: str) -> str:
    return f"/{name}"


async def start(asked: Invocation) -> str:
    channel = Address.of(asked.conversation).channel
    return chat_texts.started(channel, (await conversation_state(asked)).responder)


async def help_text(asked: Invocation) -> str:
    lines = [f"{c.usage} - {c.about}" for c in COMMANDS.values() if c.scope in asked.who.scopes]
    return "\n".join(lines)


async def list_servers(asked: Invocation) -> str:
    listed = await status_board.tools(asked.scene.store)
    channels = ", ".join(f"{t.name} ({t.type})" for t in asked.scene.traits.values() if asked.who.sees_channel(t.name))
    servers = ", ".join(f"{s.name}: {s.state}" for s in listed.servers) or "none"
    return f"Channels: {channels or 'none'}\nTool servers: {servers}"


async def status(asked: Invocation) -> str:
    state = await conversation_state(asked)
    lines = [
        f"{asked.conversation}: {state.conversation.messages} messages, answered by {state.responder}",
        f"Used: {state.usage}",
        f"Today: {state.today}",
    ]
    if state.unread:
        lines.append(f"Not read yet: {state.unread} messages")
    caps = asked.scene.rules.caps
    spent = await asked.scene.store.spending.on(day_of(asked.scene.clock.now()), *scopes(asked.conversation))
    reached = exceeded_cap(caps, asked.conversation, spent)
    if reached:
        lines.append(f"No model is called until 00:00 UTC: {reached}")
    lines += [f"Waiting: {approval_line(a)}" for a in state.waiting]
    return "\n".join(lines)


async def conversation_state(asked: Invocation) -> ConversationStatus:
    """The state of the command's conversation."""
    scene = asked.scene
    return await conversations.conversation_status(scene.store, scene.rules, scene.clock, asked.conversation)


async def clear(asked: Invocation) -> str:
    cleared = await conversations.clear(asked.scene.store, asked.conversation, asked.who.name)
    return chat_texts.CLEARED if cleared else chat_texts.NOTHING_TO_CLEAR


async def reload(asked: Invocation) -> str:
    await conversations.clear(asked.scene.store, asked.conversation, asked.who.name)
    await status_board.ask_reload(asked.scene.store, asked.scene.clock.now())
    return chat_texts.RELOADED


async def stop(asked: Invocation) -> str:
    stopped = await conversations.stop(asked.scene.store, asked.scene.clock, asked.conversation, asked.who.name)
    return chat_texts.STOPPED if stopped else chat_texts.NOTHING_TO_STOP


async def tools(asked: Invocation) -> str:
    listed = await status_board.tools(asked.scene.store)
    channel = asked.scene.rules.channels.get(Address.of(asked.conversation).channel)
    lines: list[str] = []
    for server in listed.servers:
        if channel is None or channel.has_server(server.name):
            state = server.state if not server.error else f"{server.state}: {server.error}"
            lines.append(f"{server.name} ({state})")
            lines += [
                f"  {spec.tool} {mark(spec, asked.scene.rules, channel)}"
                for spec in listed.tools
                if spec.server == server.name
            ]
    return "\n".join(lines) or chat_texts.NO_TOOLS


def mark(spec: ToolSpec, rules: Rules, channel: ChannelRules | None) -> str:
    """`[approval]` or `[auto]`, without regard to grants."""
    of_channel = channel.tools if channel else ()
    policy = Policy(tools={spec.name: spec}, defaults=rules.asking, rules=(*of_channel, *rules.tools))
    return "[auto]" if isinstance(policy.gate(Call("", spec.name, ""), 0.0), Free) else "[approval]"


async def whoami(asked: Invocation) -> str:
    return chat_texts.who_is_who(asked.who.name, asked.conversation, asked.who.scopes)


async def approve(asked: Invocation) -> str:
    approvals_here, remember = await waiting_here(asked, to_run=True)
    if remember not in ("", "once", "conversation", "always"):
        raise BadInput(f"'{remember[:40]}' cannot be remembered.", fix="Write conversation or always, or nothing.")
    return decision_lines(
        await desk(asked).approve(asked.who, approvals_here, approvals.ApprovalOptions(remember=remember or "once"))
    )


async def reject(asked: Invocation) -> str:
    approvals_here, reason = await waiting_here(asked)
    return decision_lines(await desk(asked).reject(asked.who, approvals_here, reason))


async def edit(asked: Invocation) -> str:
    approval_id = asked.words[0] if asked.words else ""
    if not tickets.APPROVAL.fullmatch(approval_id):
        raise BadInput("Which call, and which arguments?", fix='Write: /edit ID {"name": "value"}')
    approval, _ = await waiting_here(asked, to_run=True)
    arguments = parse_arguments(asked.text.partition(approval_id)[2])
    return decision_lines(await desk(asked).approve(asked.who, approval[:1], approvals.ApprovalOptions("", arguments)))


def desk(asked: Invocation) -> approvals.ApprovalDesk:
    """The desk for commands."""
    scene = asked.scene
    return approvals.ApprovalDesk.of(scene.store, scene.clock, scene.check, scene.rules)


async def waiting_here(asked: Invocation, *, to_run: bool = False) -> tuple[list[Approval], str]:
    """The approvals that a command names by id, or the only one that waits here; and the rest of its text."""
    ids = list(takewhile(lambda word: tickets.APPROVAL.fullmatch(word), asked.words))
    waiting = [await approvals.find(asked.scene.store, approval_id) for approval_id in dict.fromkeys(ids)]
    waiting = waiting or [await only_one(asked, to_run=to_run)]
    for approval in waiting:
        is_here = asked.conversation in approval.places
        if not is_here if asked.who.kind == "person" else not asked.who.sees(approval.conversation):
            raise NotFound(f"There is no approval '{approval.id}' in this chat.", fix="Decide it where it was asked.")
        if to_run and not asked.pressed and (asked.who.kind == "person" or not ids) and approval.status == "waiting":
            await check_prompt_shown(asked, approval)
    return waiting, " ".join(asked.words[len(ids) :])


async def only_one(asked: Invocation, *, to_run: bool) -> Approval:
    """The one approval that waits in this chat. To approve it without its id, people here must have had time to see it.

    Raises:
        BadInput: none waits, several do, or it has to be named.
    """
    every = await asked.scene.store.approvals.find(status="waiting")
    waiting = [approval for approval in every if asked.conversation in approval.places]
    if not waiting:
        raise BadInput("Nothing waits for a verdict here.", fix="/status says what goes on.")
    if len(waiting) > 1:
        lines = "\n".join(map(approval_line, waiting))
        raise BadInput(
            f"{len(waiting)} calls wait here, so say which:\n{lines}", fix=f"For example: {example(waiting)}"
        )
    name_it = f"Name it: {example(waiting)}"
    if to_run and (asked.by_id or asked.words):
        raise BadInput("One call waits here.", fix=name_it)
    if asked.scene.clock.now() - waiting[0].asked_at < TIME_TO_SEE_S:
        raise BadInput("That call has only just been asked.", fix=name_it)
    return waiting[0]


async def check_prompt_shown(asked: Invocation, approval: Approval) -> None:
    """Raise unless a call's prompt reached this chat: nobody approves in a chat what was not shown there completely.

    Its id may be known all the same, for rejecting it.

    Raises:
        BadInput: the prompt is not there, or not all of it.
    """
    if not await is_prompt_shown(asked, approval):
        raise BadInput(
            "That call could not be shown here whole.",
            fix=f"`bridge-mcp approvals` on the bridge's machine shows all of it, and approves it. To reject it here, "
            f"write: /reject {approval.id} REASON",
        )


async def is_prompt_shown(asked: Invocation, approval: Approval) -> bool:
    """Whether the prompt of an approval reached this chat; channels without prompts show calls in their own way."""
    traits = asked.scene.traits.get(Address.of(asked.conversation).channel)
    if traits is None or not traits.can.prompts:
        return True
    store = asked.scene.store
    for key in (prompt_key(approval), escalation_key(approval.id, 1)):
        seq = await store.traces.posted(asked.conversation, key)
        posted = None if seq is None else await store.history.message(asked.conversation, seq)
        if posted is not None and posted.status == "sent":
            return True
    return False


def approval_line(approval: Approval) -> str:
    """A waiting call as one line of a list."""
    text = visible(approval.arguments)
    return f"{visible(approval.tool)} {text if len(text) <= LISTED else f'{text[:LISTED]}…'} ({approval.id})"


def example(waiting: Sequence[Approval]) -> str:
    return f"/approve {waiting[0].id}"


def decision_lines(decisions: Sequence[Decision]) -> str:
    """The effect of verdicts, a line each."""
    return "\n".join(decision.error or decision_line(decision) for decision in decisions)


def decision_line(decision: Decision) -> str:
    grant = "" if decision.grant is None else f" Later calls of it run by themselves: grant {decision.grant}."
    waits = f" {visible(decision.waits)}" if decision.waits else ""
    return f"{outcome(decision.approval)}: {visible(decision.approval.tool)}.{grant}{waits}"


def outcome(approval: Approval) -> str:
    """The state of a call after a verdict on it."""
    if approval.status == "waiting":
        return f"Noted, {len(approval.votes)} of {approval.quorum} approvers"
    return approval.status.capitalize()


COMMANDS: dict[str, Command] = {
    "start": Command("read", "/start", "what this is", answer=start),
    "help": Command("read", "/help", "this list", answer=help_text),
    "status": Command("read", "/status", "this chat, its waiting calls and what it has used", answer=status),
    "list": Command("read", "/list", "channels and tool servers", answer=list_servers),
    "tools": Command("read", "/tools", "the tools, and which of them ask first", answer=tools),
    "whoami": Command("read", "/whoami", "who you are here, and what you may do", answer=whoami),
    "stop": Command("send", "/stop", "end the turn under way", answer=stop),
    "clear": Command("send", "/clear", "forget this chat's history", answer=clear),
    "reload": Command(
        "admin", "/reload", "connect the tool servers again, and forget this chat's history", answer=reload
    ),
    "approve": Command("approve", "/approve ID… [conversation|always]", "let waiting calls run", answer=approve),
    "edit": Command("approve", "/edit ID ARGUMENTS", "let a waiting call run with these arguments (JSON)", answer=edit),
    "reject": Command("approve", "/reject ID… [REASON]", "keep waiting calls from running", answer=reject),
}
