"""Who wants to know of commits, and what they have not heard of yet. Knows no database."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bridge_mcp.core.errors import StoreError
from bridge_mcp.wakeup import Signal

__all__ = ["Hub", "Subscription"]


class Hub:
    """Passes every hint on to every subscription. All of it happens on the event loop."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        self.on_watched: Callable[[bool], None] = lambda watched: None
        """Called when the first subscription begins (True), and when the last one ends (False)."""

    def subscribe(self, *, conversations: bool = True) -> Subscription:
        """A new watcher; without `conversations`, one that is told of nothing that concerns them alone."""
        subscription = Subscription(self._end, conversations=conversations)
        self._subscriptions.add(subscription)
        if len(self._subscriptions) == 1:
            self.on_watched(True)
        return subscription

    def notify(self, changed: Mapping[str, int] | None) -> None:
        """Tell all of a change; None: anything may have changed."""
        for subscription in self._subscriptions:
            subscription.notify(changed)

    def notify_of_others(self, changed: Mapping[str, int] | None) -> None:
        """Tell all of a change of another process; None: anything may have changed."""
        for subscription in self._subscriptions:
            subscription.notify(changed if subscription.conversations else None)

    def close(self) -> None:
        """Close all subscriptions: their waits raise `StoreError`."""
        for subscription in tuple(self._subscriptions):
            subscription.close()

    def _end(self, subscription: Subscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.discard(subscription)
            if not self._subscriptions:
                self.on_watched(False)


class Subscription:
    """One watcher's hints. One task waits at a time."""

    def __init__(self, end: Callable[[Subscription], None], *, conversations: bool = True) -> None:
        self._end = end
        self.conversations = conversations
        self._changed: dict[str, int] = {}
        self._anything = False
        self._closed = False
        self._news = Signal()

    def notify(self, changed: Mapping[str, int] | None) -> None:
        """Note a change and end the wait; None: anything may have changed."""
        if changed is None:
            self._anything = True
        elif self.conversations:
            for conversation, head in changed.items():
                self._changed[conversation] = max(head, self._changed.get(conversation, 0))
        else:
            return
        self._news.set()

    async def wait(self, timeout_s: float | None = None) -> Mapping[str, int] | None:
        """See `ports.Changes`.

        Raises:
            StoreError: the subscription is closed.
        """
        if not (self._changed or self._anything or self._closed):
            await self._news.wait(timeout_s)
        self._news.clear()
        if self._anything:
            self._anything = False
            self._changed = {}
            return None
        if self._changed:
            changed, self._changed = self._changed, {}
            return changed
        if self._closed:
            raise StoreError("The subscription to changes is closed.", fix="Watch the store again, if it is open.")
        return {}

    def close(self) -> None:
        """End the wait. Closing twice is fine."""
        self._closed = True
        self._end(self)
        self._news.set()
