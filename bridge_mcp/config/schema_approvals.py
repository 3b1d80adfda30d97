"""The sections of bridge.toml about asking for approval, and what every section is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

__all__ = ["Approvals", "CallRule", "Confirmation", "Person", "Review", "Section", "Text"]

Text = Annotated[str, StringConstraints(min_length=1)]
Confirmation = Literal["required", "person", "never", "by-annotation", "default"]


class Section(BaseModel):
    """A table of the file: no key beside those it lists, and no guessing of types.

    Its validator is built with that of the whole file: at each start that is once, and not once for every table.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Review(Section):
    """[approvals.review], [tool_servers.NAME.review] and [approvals.tools."PATTERN".review]: looks at calls first."""

    model: Text
    """The section of `[models]` that is asked; no fallback of it is."""
    policy: Text
    """The file with what you want of calls, in plain words; it is read again when it changes."""
    may: Literal["approve", "advise"] = "advise"
    """Whether it approves and rejects (`approve`), or its word only stands in the prompt (`advise`)."""
    per_minute: int = Field(default=10, ge=1, le=1000)
    """How many calls it is asked about in a minute; with more, people are asked at once."""


class CallRule(Section):
    """[approvals.tools."PATTERN"] and [channels.NAME.tools."PATTERN"]: single tools; else it is as [approvals] says."""

    confirmation: Confirmation | None = None
    """Whether calls of these tools ask first."""
    expires_s: float | None = Field(default=None, ge=0)
    """Seconds until a call that waits expires; 0: never."""
    route: Text | list[Text] | None = None
    """The conversation where people are asked, or several; `agents`: none, so that a client has to decide."""
    remind_s: float | None = Field(default=None, ge=0)
    """Seconds until people are asked again; 0: never."""
    escalate_s: float | None = Field(default=None, ge=0)
    """Seconds until `escalate_to` is asked as well; 0: never."""
    escalate_to: Text | None = None
    """The conversation that is asked when nobody has decided."""
    quorum: int | None = Field(default=None, ge=1, le=100)
    """How many different people have to approve."""
    review: Review | Literal[False] | None = None
    """The model that looks at these calls before people are asked; false: none."""


class Approvals(Section):
    """[approvals]: which tool calls wait for a verdict, where people are asked, and who may decide."""

    confirmation: Literal["required", "person", "never", "by-annotation"] = "by-annotation"
    """Which calls ask first: all, all and people alone, none, or those of tools that do not say that they only read."""
    expires_s: float = Field(default=600.0, ge=0)
    """Seconds until a call that waits expires; 0: never."""
    route: Text | list[Text] | None = None
    """The conversation where people are asked, or several; `agents`: none. Without it: the chat that asked."""
    remind_s: float = Field(default=0.0, ge=0)
    """Seconds until people are asked again; 0: never."""
    escalate_s: float = Field(default=0.0, ge=0)
    """Seconds until `escalate_to` is asked as well; 0: never."""
    escalate_to: Text | None = None
    """The conversation that is asked when nobody has decided."""
    quorum: int = Field(default=1, ge=1, le=100)
    """How many different people have to approve; above 1 only people of `[people.NAME]` count."""
    review: Review | None = None
    """The model that looks at calls before people are asked; `required` calls only where the same rule names it."""
    tools: dict[str, CallRule] = {}
    """Rules for single tools, by name or pattern."""
    separate: bool = False
    """Whether whoever started a turn is kept from deciding what it asks for, under any name of theirs."""
    doors_decide: bool = False
    """Whether what one door of this machine's user asked for (stdio, a gate, a hook) may be decided by another one."""
    cli: bool = True
    """Whether verdicts are taken on the command line."""
    provider: bool = False
    """Whether clients (scope `tools`) may ask for verdicts on calls that they run themselves, over MCP or AAP."""


class Person(Section):
    """[people.NAME]: the names that are one person, so that a quorum counts people."""

    principals: list[Text] = Field(min_length=1)
    """Who this is: `owner` (this machine), clients by name, users as `channel:user_id`."""
