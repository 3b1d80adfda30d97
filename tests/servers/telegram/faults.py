"""What can go wrong with a request, and when: scripted per method, chat and number of requests.

A fault says three things: what is answered, whether the request takes effect all the same, and how the connection ends.
Knows nothing of what the methods do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bridge_mcp.core.errors import BridgeError
from tests.servers.telegram.changes import Changes
from tests.servers.telegram.refusals import Refusal, bad_request, forbidden
from tests.servers.telegram.refusals import flood as flood_refusal

__all__ = ["Fault", "Faults", "Hold", "Page", "Rule"]


class Hold:
    """Requests stop here until they are let go. Make one, give it to `Fault.held`, wait until it is reached."""

    def __init__(self) -> None:
        self.count = 0
        """How many requests have come this far."""
        self._changes = Changes()
        self._open = False

    async def reached(self, count: int = 1, timeout_s: float = 5.0) -> None:
        """Wait until so many requests have come this far."""
        if not await self._changes.until(lambda: self.count >= count, timeout_s):
            raise BridgeError(f"{self.count} of {count} requests were held within {timeout_s} s.")

    def release(self) -> None:
        """Let those that wait go on, and those that come later pass."""
        self._open = True
        self._changes.tell()

    async def passed(self) -> None:
        """For the server: stop here."""
        self.count += 1
        self._changes.tell()
        await self._changes.until(lambda: self._open, None)


@dataclass(frozen=True, slots=True)
class Page:
    """An answer that is not Telegram's: what stands in front of it speaks HTML."""

    status: int
    body: str
    content_type: str = "text/html"


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to go wrong. The class methods below make the usual ones."""

    answer: Refusal | Page | None = None
    """None: what the method itself says."""
    effect: bool = True
    """Whether the request takes effect. Without effect and without an answer nothing is ever said."""
    ending: Literal["answer", "close", "cut", "hang"] = "answer"
    """close: the connection ends without a byte; cut: in the middle of the answer; hang: neither ever comes."""
    before_s: float = 0.0
    """How long, in real seconds, until it takes effect."""
    after_s: float = 0.0
    """How long after that until it is answered."""
    hold_before: Hold | None = None
    hold_after: Hold | None = None

    @classmethod
    def refused(cls, refusal: Refusal) -> Fault:
        """Any answer with `"ok": false`."""
        return cls(answer=refusal, effect=False)

    @classmethod
    def flood(cls, retry_after_s: int) -> Fault:
        """429 with the seconds to wait."""
        return cls.refused(flood_refusal(retry_after_s))

    @classmethod
    def blocked(cls) -> Fault:
        """403: the user blocked the bot."""
        return cls.refused(forbidden("bot was blocked by the user"))

    @classmethod
    def kicked(cls, kind: str = "group") -> Fault:
        """403: the bot was thrown out of a group, a supergroup or a channel."""
        return cls.refused(forbidden(f"bot was kicked from the {kind} chat"))

    @classmethod
    def deactivated(cls) -> Fault:
        """403: the user is gone."""
        return cls.refused(forbidden("user is deactivated"))

    @classmethod
    def bad(cls, text: str) -> Fault:
        """400 with any text, e.g. `chat not found`."""
        return cls.refused(bad_request(text))

    @classmethod
    def gateway(cls, status: int = 502, *, effect: bool = False) -> Fault:
        """A page of HTML where JSON should be. `effect`: it came from in front of a server that did its work."""
        name = {500: "Internal Server Error", 502: "Bad Gateway", 504: "Gateway Timeout"}.get(status, "Error")
        body = f"<html>\r\n<head><title>{status} {name}</title></head>\r\n<body>{name}</body>\r\n</html>\r\n"
        return cls(answer=Page(status, body), effect=effect)

    @classmethod
    def lost_before(cls) -> Fault:
        """The connection breaks before the request was taken."""
        return cls(effect=False, ending="close")

    @classmethod
    def lost_after(cls) -> Fault:
        """The request takes effect, and the connection breaks before a byte of the answer."""
        return cls(ending="close")

    @classmethod
    def cut(cls) -> Fault:
        """The request takes effect, and the connection breaks in the middle of the answer."""
        return cls(ending="cut")

    @classmethod
    def slow(cls, before_s: float = 0.0, after_s: float = 0.0) -> Fault:
        """The request takes effect late, or is answered late; also when nobody waits any more."""
        return cls(before_s=before_s, after_s=after_s)

    @classmethod
    def held(cls, before: Hold | None = None, after: Hold | None = None) -> Fault:
        """As `slow`, for as long as a test wants."""
        return cls(hold_before=before, hold_after=after)

    @classmethod
    def hanging(cls, *, effect: bool = False) -> Fault:
        """No answer, ever, on a connection that stays open."""
        return cls(effect=effect, ending="hang")


@dataclass(slots=True)
class Rule:
    """A fault and the requests it is meant for."""

    fault: Fault
    method: str
    chat: int | None
    times: int | None
    skip: int
    hits: int = 0
    """How many requests it has struck."""

    def lift(self) -> None:
        """It strikes no more."""
        self.times = 0


@dataclass(slots=True)
class Faults:
    """The script: the first rule that fits a request strikes it."""

    rules: list[Rule] = field(default_factory=list[Rule])

    def add(
        self, fault: Fault, method: str = "*", *, chat: int | None = None, times: int | None = 1, skip: int = 0
    ) -> Rule:
        """Add a rule.

        Args:
            method: its name, in any case; `*`: every method.
            chat: only requests with this `chat_id`.
            times: how often it strikes; None: until it is lifted.
            skip: how many requests that fit it lets pass first.
        """
        rule = Rule(fault, method.lower(), chat, times=times, skip=skip)
        self.rules.append(rule)
        return rule

    def strike(self, method: str, chat: str) -> Fault | None:
        """The fault for this request, counted; None for none."""
        for rule in self.rules:
            fits = rule.method in ("*", method) and (rule.chat is None or str(rule.chat) == chat)
            if not fits or (rule.times is not None and rule.hits >= rule.times):
                continue
            if rule.skip:
                rule.skip -= 1
                continue
            rule.hits += 1
            return rule.fault
        return None
