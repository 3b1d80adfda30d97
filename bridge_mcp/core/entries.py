"""The entries of a conversation's log: what happened, as frozen values.

An entry is a fact in the past tense. It knows nothing of stores, clocks or platforms; the store gives it a place
(`Logged.seq`, counted from 0 without holes) and a time (`Logged.at`, epoch seconds).

Ids are derived, never random, so that a fact written twice is the same fact: a message is `conversation#seq`, a call is
`seq.index` of the model call that asked for it, an approval is a hash of both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

from msgspec import Struct

__all__ = [
    "CALLS",
    "ENTRY_TYPES",
    "LOGGED_TRIES",
    "Addressee",
    "Asked",
    "Attachment",
    "Button",
    "Call",
    "Cleared",
    "Collected",
    "Configured",
    "Delivered",
    "Edited",
    "Entry",
    "External",
    "Failed",
    "Finished",
    "Forgot",
    "Heard",
    "Judged",
    "Lapsed",
    "Log",
    "Logged",
    "Outcome",
    "Posted",
    "Question",
    "Rang",
    "Reacted",
    "Reminded",
    "Replied",
    "Requested",
    "Responder",
    "Reviewed",
    "Revised",
    "Scheduled",
    "Sender",
    "Started",
    "Stopped",
    "Summarised",
    "Topic",
    "TopicAsked",
    "TraceContext",
    "Transcribed",
    "Usage",
    "Verdict",
    "Voted",
    "Withdrawn",
    "approval_id",
    "call_id",
    "key",
    "message_id",
    "wakes",
]

CALLS = "calls"
"""The channel name under which the calls of MCP clients keep their logs; no configured channel may have it."""

Responder: TypeAlias = Literal["assistant", "relay", "off"]
Addressee: TypeAlias = Literal["assistant", "relay", "off", "bridge"]
"""Whom a message is for: a responder, or the bridge itself, which answers commands. The model never sees those."""
Outcome: TypeAlias = Literal["ok", "error", "denied", "expired", "stopped", "unknown", "undelivered"]
"""`undelivered`: the call might have run, and whoever was to run it was not there; it did not."""
Verdict: TypeAlias = Literal["approved", "rejected", "expired", "cancelled"]


class Value(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A value inside an entry; `core/codec.py` writes it as a JSON object, without fields that have their default."""


class Fact(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="kind", tag=True):
    """An entry; in JSON its `kind` is the name of its class."""


class Sender(Value, frozen=True):
    """Who wrote a message. `id` is the platform's own (numeric for Telegram), `name` is for people."""

    id: str
    name: str = ""
    kind: Literal["person", "client", "owner", "bot"] = "person"


class Attachment(Value, frozen=True):
    """A file that came with or goes with a message, by reference. `size` is in bytes, None where unknown."""

    ref: str
    """The channel's reference for fetching it, e.g. a Telegram `file_id` or a path below an outbox folder."""
    kind: Literal["image", "audio", "video", "file"] = "file"
    mime: str = ""
    name: str = ""
    size: int | None = None
    quoted: bool = False
    """Whether it belongs to the message that this one replies to."""


class Button(Value, frozen=True):
    """A choice offered below a message: pressing it says `value`."""

    label: str
    value: str
    token: str = ""
    """Its callback data on the platform: random for this one message, so that nobody can press an unseen button."""


class Topic(Value, frozen=True):
    """What a topic of a chat is to be like. What is None, and an empty name, stays as it is."""

    name: str = ""
    icon: str | None = None
    """An emoji; empty: none."""
    closed: bool | None = None
    new: bool = False
    """Whether it is to be made."""


class Question(Value, frozen=True):
    """What `ask_user` wants to know. `expires_at` is epoch seconds, 0 for never."""

    choices: tuple[str, ...] = ()
    expires_at: float = 0.0
    call: str = ""
    """The assistant's call that asks this; the answer is its result."""
    expires_s: float = 0.0
    """What the asker wanted, in seconds from then on; 0 for never, or where nobody said."""


class TraceContext(Value, frozen=True):
    """The trace in which a client does something, as W3C Trace Context has it."""

    parent: str
    """`traceparent`: the ids of the trace and of the client's span."""
    state: str = ""
    """`tracestate`, passed on as it came."""


class Call(Value, frozen=True):
    """One tool call a model (or a client) asked for. `arguments` is the JSON text exactly as it was given."""

    id: str
    """`call_id(started, index)`: unique in the conversation, whatever the model says."""
    tool: str
    """The name the model knows: `server__tool`."""
    arguments: str
    model_id: str = ""
    """The id the model gave. On the wire each call has an id of the bridge's own."""
    kept: str = ""
    """The provider fields of the call, which go back to its provider, as the text of a JSON object."""


class External(Value, frozen=True):
    """Of a call that its caller runs, and not the engine: whose tool it is, and how long its caller is waited for.

    A process at a door of the bridge (a gate before a server, a hook of an agent) asks so for what it runs itself.
    """

    server: str
    """`DOOR:NAME`, or `DOOR:NAME@PLACE` where several are called alike. No nested server's name has a colon."""
    tool: str
    """The tool's name as its own server says it."""
    definition: str = ""
    """The digest of what the tool says of itself; empty where it says nothing."""
    read_only: bool = False
    destructive: bool = True
    changed: str = ""
    """How it differs from what was first seen of it, or last approved; while it says something, every call asks."""
    about: str = ""
    """What people are told beside the arguments, such as the session that asks."""
    asks: str = ""
    """The first words of the question, where the caller has better ones: who asks for what, from where."""
    offers: tuple[str, ...] = ()
    """Standing permissions that the caller keeps itself and can give with a yes, each word for word as it would be."""
    fixed: bool = False
    """Whether the caller can run it with these arguments only."""
    caller: str = ""
    """The process that asks (`ports.Callers`); empty where nobody knows which."""
    lapses: bool = False
    """Whether a call that waits is over once that process is gone; else a later one may take it up."""
    claim_s: float = 600.0
    """How long a call that may run waits for somebody to run it, in seconds."""
    report_s: float = 0.0
    """How long after it was begun its outcome may still be told by another process than the one that runs it."""
    expires_at: float = 0.0
    """When the time for a verdict is over at the latest, in epoch seconds; 0: when the settings say."""
    given: str = ""
    """What its caller gave beside the arguments and is told again, as JSON text; empty where that is nothing."""


class Usage(Value, frozen=True):
    """What one model call took. Tokens as the provider counts them; `cost_usd` None when the price is unknown."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = None
    latency_s: float = 0.0


# -- facts from outside --------------------------------------------------------------------------------------


class Heard(Fact, frozen=True):
    """A message came in."""

    text: str
    sender: Sender
    key: str
    """The platform's own id of the message: the same message heard twice is one entry."""
    to: Addressee = "assistant"
    """Who is to answer, as the conversation stood when it came in: a later change of responder wakes no old message."""
    answers: int | None = None
    """The `Posted` question (its seq) that this answers; then no responder answers it."""
    attachments: tuple[Attachment, ...] = ()
    reply_to: str = ""
    late: bool = False
    """Whether it waited on the platform for longer than the owner's limit."""
    title: str = ""
    """The chat's own title, where the platform gives one."""
    quote: str = ""
    """What it quotes of the message it replies to."""
    forwarded_from: str = ""
    """Who wrote it first, where it was forwarded."""
    asked_by: tuple[str, ...] = ()
    """Of a reminder: the principals in whose turn the assistant wanted it."""
    group: bool = False
    """Whether several people may write in its chat."""
    sent_at: float = 0.0
    """When it was sent by the platform's clock, in epoch seconds; 0 where nobody says."""
    gather_s: float = 0.0
    """How long a reply waits for a continuation, in seconds, as its channel was set; see `core.gathering`."""
    paste_chars: int = 0
    """From so many characters on it may be one of several texts of one paste, on its channel; 0: never."""
    followed: bool = False
    """Whether more of the same sender was known to come right behind it."""
    continues: int | None = None
    """The seq of the message of the same sender that it continues: apps split what was sent once."""
    trace: TraceContext | None = None
    """The trace of the client that said it."""
    bot_turn: int = 0
    """Of another bot's message, or a channel's post: its number in a row (`core.bot_turns`)."""


class Edited(Fact, frozen=True):
    """The author of a message changed its text. An answered message stays answered."""

    message: int
    """The seq of the `Heard`."""
    text: str
    key: str
    """The platform's id of the message, and a stamp of this version of it."""
    to: Addressee = "off"
    """Who is to answer, if the edit addresses a message that was for nobody; it opens a turn then."""


class Posted(Fact, frozen=True):
    """A message to send that is no reply of the model: from a client, the owner, or the bridge itself."""

    text: str
    by: Sender
    key: str
    files: tuple[Attachment, ...] = ()
    buttons: tuple[Button, ...] = ()
    reply_to: str = ""
    silent: bool = False
    question: Question | None = None
    trace: TraceContext | None = None
    """The trace of the client that sends it."""
    spoken_by: str = ""
    """The model that spoke it, where it is an answer's voice message."""
    usage: Usage | None = None
    """What that model took."""


class Revised(Fact, frozen=True):
    """One of our own messages is to get another text and other buttons."""

    message: int
    """The seq of the entry whose text it was."""
    text: str
    by: Sender
    key: str
    buttons: tuple[Button, ...] = ()


class Reacted(Fact, frozen=True):
    """A message is to get our reaction; an empty emoji removes it."""

    message: int
    emoji: str
    by: Sender
    key: str


class TopicAsked(Fact, frozen=True):
    """A topic is to be made in this chat; or, in the log of a topic, that topic is to be changed."""

    topic: Topic
    by: Sender
    key: str


class Requested(Fact, frozen=True):
    """A client asked for tool calls itself; they pass the same gate as the model's."""

    calls: tuple[Call, ...]
    by: str
    """The principal's name. It may not approve these calls."""
    within: tuple[str, ...] = ()
    """The channels and chats that it was limited to; empty for none."""
    verbatim: bool = False
    """Whether the client is to get the result as the tool's server gives it."""
    external: External | None = None
    """Of one call that its caller runs itself; None where the engine runs them."""
    trace: TraceContext | None = None
    """The trace of the client that asked."""


class Judged(Fact, frozen=True):
    """An asked call got its verdict. The first one wins."""

    call: str
    verdict: Verdict
    by: str
    digest: str = ""
    """The digest of the approved call: server, tool, schema and the arguments to run; without approval, of the asked
    call."""
    arguments: str | None = None
    """Edited arguments as JSON text, when the approver changed them."""
    note: str = ""
    remember: Literal["once", "conversation", "always"] = "once"
    remember_arguments: tuple[tuple[str, str], ...] = ()
    """Patterns (`core/grants.py`) by which the grant is limited, as name and pattern."""
    remember_s: float = 0.0
    """How long the grant holds, in seconds; 0 for ever."""
    limit: str = ""
    """The limit of a grant for `always`, because its author is limited; empty: none."""
    via: str = ""
    """By which path it came: `chat button`, `chat text`, `mcp`, `cli`, `console`, `api`, or `rule`."""
    trace: TraceContext | None = None
    """The trace of the client that decided."""


class Voted(Fact, frozen=True):
    """One approver of a quorum said yes. Each person counts once."""

    call: str
    by: str
    digest: str
    note: str = ""
    via: str = ""
    person: str = ""
    """Who that is by the config; empty in logs of earlier versions, where each name counted."""


class Reminded(Fact, frozen=True):
    """A call still waits, and somebody was told (again)."""

    call: str
    number: int
    """Counts from 1 for each why."""
    why: Literal["reminder", "escalation", "tool"]
    """`tool`: it was approved, and waits for its tool, which is not there."""
    to: str = ""
    """The conversation that was told; empty where only the feed tells of it."""
    digest: str = ""


class Stopped(Fact, frozen=True):
    """A turn was ended before its reply: budget spent, model out of reach, or somebody said stop."""

    reason: str
    upto: int
    """Messages with seq < upto will not be answered any more; later ones open a new turn."""
    by: str = "bridge"
    text: str = ""
    """What the chat is told; empty for nothing."""


class Forgot(Fact, frozen=True):
    """The content of these entries is gone from the store; `core/forgetting.py` says what of them is kept."""

    by: str
    """Who wanted it: a principal, or `retention`."""
    spans: tuple[tuple[int, int], ...]
    """Their seqs, each span from its first to its last."""
    why: Literal["conversation", "person", "retention"] = "conversation"
    """Whether all of the conversation was to go, one person, or what is older than its channel keeps."""
    left: str = ""
    """A digest (`core.hash_chain.digest_left`) of what is left of all entries of this log that are forgotten by now,
    those of earlier ones too: the chain covers it here. Empty in logs of before."""


class Lapsed(Fact, frozen=True):
    """A question is open no longer, and nobody has answered it."""

    message: int
    """The seq of the `Posted` question."""
    by: str


class Withdrawn(Fact, frozen=True):
    """The author of a message withdrew it before it was answered: it is for nobody now, and others go on.

    A model call that had read it is void and is made again without it.
    """

    message: int
    """The seq of the `Heard`."""
    by: str


class Cleared(Fact, frozen=True):
    """A new epoch: earlier entries stay readable but leave the model's view."""

    by: str


class Configured(Fact, frozen=True):
    """A setting of this conversation was changed."""

    by: str
    responder: Responder | None = None
    """None: back to the channel's own."""


class Scheduled(Fact, frozen=True):
    """The assistant wants to be reminded, or a message is to be sent later, at a time of the wall clock.

    It stands in a log of its own, which has nothing to do before `at`.
    """

    conversation: str
    """Where the reminder is to come."""
    text: str
    at: float
    call: str
    asked_by: tuple[str, ...] = ()
    """The principals in whose turn that was."""
    posts: Posted | None = None
    """Of a message to be sent then: the message. Then it is no reminder."""


class Rang(Fact, frozen=True):
    """The reminder that this log was about has come."""


# -- intents: written before an effect -----------------------------------------------------------------------


class Started(Fact, frozen=True):
    """An effect is about to happen. Without its outcome in the log, nobody knows whether it did."""

    effect: Literal["model", "tool", "summary", "review"]
    turn: int = -1
    """For a model call: the seq of the message that opened the turn."""
    call: str = ""
    """For a tool call, or a review of one: which one."""
    tool: str = ""
    arguments: str = ""
    """For a tool call: the JSON text it runs with."""
    cleared_by: str = ""
    """For a tool call: what let it run (`policy`, `read-only`, `grant 3`, `verdict`)."""
    repeatable: bool = False
    """For a tool call: the tool is idempotent or read-only."""
    runner: str = ""
    """For a call that its caller runs: the process that does; empty where it runs outside of this machine's bridge."""
    claim: str = ""
    """For such a call: the key with which its caller came to run it, who is told the same for it once more."""
    digest: str = ""
    """For a tool call: the digest of server, tool, schema and the arguments that it runs with."""
    requested_by: str = ""
    """For a tool call: who asked for it."""
    estimate: int = 0
    """For a model call: about how many tokens the request has (`core.token_estimate`); 0 where nobody has counted."""


class Asked(Fact, frozen=True):
    """A call waits for a verdict. What was asked is bound by `digest`; `expires_at` is epoch seconds, 0 for never."""

    call: str
    server: str
    tool: str
    arguments: str
    """Whole, as JSON text: what is shown is what is asked."""
    digest: str
    expires_at: float = 0.0
    requested_by: str = "assistant"
    reason: str = ""
    """Why it is asked, for people: `files asks for everything`, `not read-only`."""
    route: str = ""
    """The conversation the prompt goes to; empty for the one that asked, `agents` for none."""
    quorum: int = 1
    """How many different approvers it takes, as the policy was when it was asked."""
    remind_s: float = 0.0
    """How often the prompt is repeated while nobody decides, in seconds; 0 for never."""
    escalate_at: float = 0.0
    """When `escalate_to` is asked too, in epoch seconds; 0 for never."""
    escalate_to: str = ""
    asks: str = ""
    """The first words of the question (`External.asks`)."""
    offers: tuple[str, ...] = ()
    """What `always` gives where the caller keeps standing permissions itself (`External.offers`)."""
    fixed: bool = False
    """Whether nobody can change its arguments (`External.fixed`)."""
    also_route: tuple[str, ...] = ()
    """Further conversations that the prompt goes to."""
    reviewer: str = ""
    """The model that looks at it before people are asked; empty for none."""
    reviewer_may: Literal["approve", "advise"] = "advise"
    """Whether what that model says decides, or is only told to whoever does."""


# -- outcomes ------------------------------------------------------------------------------------------------


class Replied(Fact, frozen=True):
    """The model answered: text, calls, or both."""

    text: str
    calls: tuple[Call, ...] = ()
    upto: int = 0
    """How far it had read: it saw every entry with seq < upto."""
    turn: int = -1
    """The seq of the message that opened the turn."""
    model: str = ""
    usage: Usage = Usage()
    ref: int = -1
    """The `Started` that it answers, where that is not at `upto`: a turn may leave later messages to the next one."""
    finish: str = ""
    """The provider's finish reason of an incomplete answer (`length`, `content_filter`); empty for a complete one."""
    kept: str = ""
    """The provider fields of the answer, such as its reasoning, as the text of a JSON object."""
    kept_for: str = ""
    """The only model that `kept`, and what is kept of the calls, may be sent to."""

    @property
    def started(self) -> int:
        """The seq of the `Started` that it answers."""
        return self.upto if self.ref < 0 else self.ref


class Summarised(Fact, frozen=True):
    """Older messages leave the model's view, but not the log; `text` replaces them."""

    text: str
    """Their summary for the model; empty for none."""
    upto: int
    """The model no longer sees what was said or read before this seq: the first message of a turn."""
    ref: int = -1
    """The `Started` that it answers; -1 where no model was asked, and `text` is that of the summary before."""
    model: str = ""
    usage: Usage = Usage()


class Finished(Fact, frozen=True):
    """A call has its outcome; `content` is what the model is told."""

    call: str
    outcome: Outcome
    content: str
    attachments: tuple[Attachment, ...] = ()
    structured: str = ""
    """The tool's structured result as JSON text, where it gave one; MCP callers get both."""
    truncated: bool = False
    """The result was too long for the log; where there was room it is whole among the attachments."""
    tool: str = ""
    digest: str = ""
    """Of what ran or, where nothing did, of what was asked; empty where that is known of neither."""
    requested_by: str = ""
    raw: str = ""
    """The result as the tool's server gave it, as JSON text, for a client that asked for that."""


class Reviewed(Fact, frozen=True):
    """A reviewer has looked at an asked call, or was to and could not: then it escalates, and people have the word."""

    call: str
    says: Literal["approve", "reject", "escalate"]
    reason: str = ""
    model: str = ""
    """The model that said so; empty where none was asked."""
    digest: str = ""
    """Of what was asked."""
    usage: Usage = Usage()
    ref: int = -1
    """The `Started` that it answers; -1 where no model answered."""


class Transcribed(Fact, frozen=True):
    """The words of a voice message are known, or why they are not."""

    message: int
    """The seq of the `Heard`."""
    text: str
    """The message's text from now on: what was written with it, and what was heard, marked as such."""
    model: str = ""
    failed: str = ""
    """Why its words could not be had; empty where they could."""
    usage: Usage = Usage()
    calls: int = 0
    """How many requests it took."""


class Collected(Fact, frozen=True):
    """Whoever asked for a call that its caller runs has been given its outcome, and is not given it again."""

    call: str
    by: str


class Delivered(Fact, frozen=True):
    """A message left (or may have left) for its chat."""

    message: int
    """The seq of the entry whose text it was."""
    status: Literal["sent", "uncertain"] = "sent"
    platform_ids: tuple[str, ...] = ()
    """The platform's ids of its parts, in order; an empty one for each part whose fate is unknown."""
    of: int | None = None
    """For an edit: the seq of the edited message, whose parts these are now."""


LOGGED_TRIES = 10
"""Later ones that come to nothing leave none, for a platform may be away for days: the next entry is the outcome."""


class Failed(Fact, frozen=True):
    """An effect failed: the model call begun at `ref`, or an attempt to send the message `ref`."""

    effect: Literal["model", "deliver", "summary"]
    ref: int
    reason: str
    retry_at: float | None = None
    """Epoch seconds; None when trying again cannot help. Of a message the first `LOGGED_TRIES` tries leave an entry."""
    text: str = ""
    """The text for the chat if this ends the turn."""
    too_long: bool = False
    """The provider says that the request does not fit into the model's window."""


Entry: TypeAlias = (
    Heard
    | Edited
    | Posted
    | Revised
    | Reacted
    | TopicAsked
    | Requested
    | Judged
    | Voted
    | Reminded
    | Scheduled
    | Rang
    | Stopped
    | Forgot
    | Lapsed
    | Withdrawn
    | Cleared
    | Configured
    | Started
    | Asked
    | Replied
    | Summarised
    | Reviewed
    | Finished
    | Transcribed
    | Collected
    | Delivered
    | Failed
)
ENTRY_TYPES: tuple[type[Entry], ...] = get_args(Entry)


class Logged(Struct, frozen=True):
    """An entry with its seq and time."""

    seq: int
    at: float
    entry: Entry


Log: TypeAlias = Sequence[Logged]
"""Entries of one conversation in order of seq, without holes; it need not start at 0."""


def key(entry: Entry) -> str | None:
    """The idempotency key, which is unique in the conversation; None for an entry without one.

    It makes recording twice harmless: the second outcome, verdict or delivery of the same thing is dropped.
    """
    match entry:
        case Heard() | Posted() | Edited() | Revised() | Reacted() | TopicAsked():
            return f"{type(entry).__name__.lower()}:{entry.key}"
        case Scheduled() | Rang():
            return type(entry).__name__.lower()
        case Withdrawn() | Transcribed() | Lapsed():
            return f"{type(entry).__name__.lower()}:{entry.message}"
        case Delivered():
            return f"sent:{entry.message}"
        case Failed(effect="model" | "summary"):
            return f"failed:{entry.ref}"
        case Failed(retry_at=None):
            return f"sent:{entry.ref}"
        case Judged() | Voted() | Reviewed() | Reminded() | Finished() | Collected():
            return call_key(entry)
        case _:
            return None


def call_key(entry: Judged | Voted | Reviewed | Reminded | Finished | Collected) -> str:
    """The key of what happened to a call."""
    match entry:
        case Judged():
            return f"judged:{entry.call}"
        case Voted():
            return f"voted:{entry.call}:{entry.by}"
        case Reviewed():
            return f"{'escalated' if entry.says == 'escalate' else 'reviewed'}:{entry.call}"
        case Reminded():
            return f"{entry.why}:{entry.call}:{entry.number}"
        case Finished():
            return f"tool:{entry.call}"
        case Collected():
            return f"collected:{entry.call}"


def wakes(entry: Entry) -> bool:
    """Whether this entry can give its conversation something to do."""
    match entry:
        case Heard():
            return entry.to == "assistant" or entry.answers is not None
        case Edited():
            return entry.to == "assistant"
        case Posted() | Revised() | Reacted() | TopicAsked() | Configured() | Delivered() | Lapsed() | Forgot():
            return False
        case Voted() | Reminded() | Collected():
            return False
        case Failed():
            return entry.effect != "deliver"
        case _:
            return True


def call_id(started: int, index: int) -> str:
    """The id of a reply's call: the seq of the `Started` that the reply answers, and the call's place in it.

    Of a `Requested`, which nothing precedes, the seq is its own.
    """
    return f"{started}.{index}"


def call_origin(call: str) -> int | None:
    """The seq that a call's id begins with: of the `Started` whose reply asked for it, or of its request."""
    seq = call.partition(".")[0]
    return int(seq) if seq.isdecimal() and len(seq) < 19 else None


def message_id(conversation: str, seq: int) -> str:
    """The id of the message that the entry at `seq` is or sends."""
    return f"{conversation}#{seq}"


def approval_id(conversation: str, call: str) -> str:
    """The id by which a call of a conversation is approved: opaque, the same on every machine, fit for a button."""
    return "ap_" + hashlib.sha256(f"{conversation}#{call}".encode()).hexdigest()[:16]
