"""The dependencies of conversation workers, shared by all of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from msgspec import Struct, field

from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import StoreError
from bridge_mcp.engine.supervision import TaskSupervisor, Troubles
from bridge_mcp.engine.turns.policies import Policies
from bridge_mcp.engine.turns.progress import ProgressPublisher
from bridge_mcp.engine.turns.reviews import ReviewRates
from bridge_mcp.engine.turns.transcript_cache import TranscriptCache
from bridge_mcp.operations.recent_log import LogCache
from bridge_mcp.ports import ChannelTraits, Clock, Model, Store, Toolbox

__all__ = ["Deps"]

T = TypeVar("T")


class Deps(Struct, frozen=True):
    """What a drive works with; shared by all of them."""

    store: Store
    model: Model
    toolbox: Toolbox
    policies: Policies
    recent_logs: LogCache
    clock: Clock
    traits: Mapping[str, ChannelTraits]
    """What each channel is like."""
    show_text: Callable[[str, int, str], None] | None = None
    """Where replies are shown while they grow; cheap. Is told the conversation, the seq of the model call, and
    its text so far ("": what was shown is void)."""
    progress: ProgressPublisher | None = None
    """Where the progress of running calls is told."""
    fetch: Callable[[str, Attachment], Awaitable[bytes]] | None = None
    """Gives the bytes of a file that came with a message of a conversation; raises a `BridgeError` where it cannot."""
    shows: Callable[[str], bool] = lambda conversation: True
    """Whether `show_text` has anybody to show this conversation's texts to: some providers stream at a price."""
    away: Callable[[str], bool] = lambda server: False
    """Whether another process runs this tool server: a conversation whose next call is of it is driven there."""
    supervisor: TaskSupervisor = field(default_factory=lambda: TaskSupervisor(Troubles()))
    """Sees to it that outcomes are written, however often that takes."""
    transcripts: TranscriptCache = field(default_factory=TranscriptCache)
    """What models have seen of conversations before."""

    traced: bool = False
    """Whether spans are recorded of what happens (`core.spans`), so that nested servers' spans belong below them."""

    review_rates: ReviewRates = field(default_factory=ReviewRates)
    """How often reviewers were asked lately."""

    async def write_outcome(self, conversation: str, act: Callable[[], Awaitable[T]]) -> T:
        """Write down what came of something that was paid for or has had its effect, however often the store fails.

        Raises:
            StoreLost: there is no store any more.
        """
        return await self.supervisor.until_done(f"Writing down what came of {conversation}", act, of=StoreError)
