"""Sums of tokens, time and cost of models by day and model, and the caps on them.

A day is one of UTC, counted from 1970. Money is summed in billionths of a dollar and time in milliseconds, so that sums
are exact in any order. A call whose price nobody knows is counted as such, and never as free.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from bridge_mcp.core.address import Address
from bridge_mcp.core.entries import Entry, Logged, Posted, Replied, Reviewed, Summarised, Transcribed, Usage

__all__ = [
    "DAY_S",
    "Cap",
    "Caps",
    "Spent",
    "Taken",
    "day_of",
    "exceeded_cap",
    "model_of",
    "scopes",
    "spent",
    "usage_in",
]

DAY_S = 86_400


class Spent(Struct, frozen=True):
    """The sum of some calls of models."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """The part of the input that was in the provider's cache."""
    nano_usd: int = 0
    """Of the calls whose price is known."""
    unpriced: int = 0
    """Calls whose price nobody knows."""
    latency_ms: int = 0

    @property
    def usd(self) -> float:
        """Dollars, of the calls whose price is known."""
        return self.nano_usd / 1e9

    @property
    def cost_usd(self) -> float | None:
        """Dollars; None as soon as one call's price is unknown."""
        return None if self.unpriced else self.usd

    @property
    def tokens(self) -> int:
        """In and out."""
        return self.input_tokens + self.output_tokens

    @property
    def latency_s(self) -> float:
        """Seconds that models took, one call after the other."""
        return self.latency_ms / 1000

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            nano_usd=self.nano_usd + other.nano_usd,
            unpriced=self.unpriced + other.unpriced,
            latency_ms=self.latency_ms + other.latency_ms,
        )

    def __str__(self) -> str:
        """For people: `12 calls, 3,400 tokens in, 560 out, 21.0 s, $0.0120`."""
        return (
            f"{self.calls:,} calls, {self.input_tokens:,} tokens in, {self.output_tokens:,} out, "
            f"{self.latency_s:,.1f} s, {self.money}"
        )

    @property
    def money(self) -> str:
        """The cost for people: `$0.0120`, with the number of calls of unknown price."""
        if not self.unpriced:
            return f"${self.usd:.4f}"
        unknown = f"{self.unpriced:,} calls of unknown price"
        return f"${self.usd:.4f} and {unknown}" if self.nano_usd else unknown


class Taken(Struct, frozen=True):
    """What one model took on one day. `model` is empty where the entries do not name it."""

    day: int
    model: str
    spent: Spent


def day_of(at: float) -> int:
    """The day of a time in epoch seconds."""
    return int(at // DAY_S)


def usage_in(logged: Logged) -> Spent | None:
    """The usage of the model call whose outcome this entry is; None for any other entry."""
    match logged.entry:
        case Replied(usage=usage):
            return spent(usage)
        case Posted(usage=Usage() as usage):
            return spent(usage)
        case Transcribed(usage=usage, calls=calls) if calls:
            return replace(spent(usage), calls=calls, unpriced=0 if usage.cost_usd is not None else calls)
        case Summarised(usage=usage, ref=ref) | Reviewed(usage=usage, ref=ref) if ref >= 0:
            return spent(usage)
        case _:
            return None


def model_of(entry: Entry) -> str:
    """The model of a call whose outcome an entry is; "" where it names none."""
    match entry:
        case Replied(model=model) | Transcribed(model=model) | Summarised(model=model) | Reviewed(model=model):
            return model
        case Posted(spoken_by=model):
            return model
        case _:
            return ""


def spent(usage: Usage) -> Spent:
    """One call's usage."""
    return Spent(
        1,
        usage.input_tokens,
        usage.output_tokens,
        cached_tokens=usage.cached_tokens,
        nano_usd=0 if usage.cost_usd is None else round(usage.cost_usd * 1e9),
        unpriced=int(usage.cost_usd is None),
        latency_ms=round(usage.latency_s * 1000),
    )


def scopes(conversation: str) -> tuple[str, str, str]:
    """The keys under which a conversation's calls are summed: the bridge, its channel, itself."""
    return "", Address.of(conversation).channel, conversation


class Cap(Struct, frozen=True):
    """Limits of a day; None: no limit."""

    usd: float | None = None
    tokens: int | None = None


class Caps(Struct, frozen=True):
    """Limits of the bridge, each channel and each conversation for a day. Running calls are not counted yet."""

    bridge: Cap = Cap()
    channel: Cap = Cap()
    conversation: Cap = Cap()
    stop_unpriced: bool = False
    """Where dollars are capped: whether a call of unknown price ends the day's calls, too."""

    @property
    def any(self) -> bool:
        """Whether anything is capped."""
        return any(c.usd is not None or c.tokens is not None for c in (self.bridge, self.channel, self.conversation))


def exceeded_cap(caps: Caps, conversation: str, spent: tuple[Spent, ...]) -> str:
    """The cap that is reached, as a text; "" for none. `spent` are the day's sums, by `scopes`."""
    _, channel, _ = scopes(conversation)
    whose = ("the bridge", f"the channel {channel}", "this conversation")
    for who, cap, used in zip(whose, (caps.bridge, caps.channel, caps.conversation), spent, strict=True):
        if cap.usd is not None and used.usd >= cap.usd:
            return f"the day's budget of ${cap.usd:g} for {who} is spent ({used.money})"
        if cap.tokens is not None and used.tokens >= cap.tokens:
            return f"the day's budget of {cap.tokens:,} tokens for {who} is spent ({used.tokens:,})"
        if cap.usd is not None and caps.stop_unpriced and used.unpriced:
            return f"the day's budget of ${cap.usd:g} for {who} cannot be kept: {used.money}"
    return ""
