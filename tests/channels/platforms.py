"""What a platform is to the suite: people, places where they write, and what goes wrong there.

A new channel brings a `Platform` in a module of its own, and a line in `conftest.py`; the behaviours stay as they are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge_mcp.core.capabilities import Capabilities

__all__ = ["WAIT_S", "File", "Human", "Place", "Platform", "Said"]

WAIT_S = 60.0
"""Long, because machines may be busy."""
UNDECLARED = "the channel does not declare this, and the test did not ask"


@dataclass(frozen=True, slots=True)
class File:
    """A file on its way to the bridge."""

    name: str
    data: bytes
    mime: str = "text/plain"


@dataclass(frozen=True, slots=True)
class Said:
    """A message of the bridge, as people see it now."""

    id: str
    text: str
    """As it is shown, without markup."""
    buttons: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    bold: tuple[str, ...] = ()
    code: tuple[str, ...] = ()


class Place(ABC):
    """Where people write."""

    chat: str
    """As the bridge knows it."""

    @abstractmethod
    def all(self) -> list[Said]:
        """What the bridge said there, in order."""

    @abstractmethod
    async def until(self, holds: Callable[[list[Said]], object]) -> list[Said]:
        """Wait until something holds of that."""

    async def says(self, count: int) -> list[Said]:
        """Wait for so many messages."""
        return await self.until(lambda said: len(said) >= count)


class Human(ABC):
    """Somebody on the platform."""

    id: str
    """As the bridge knows them."""
    name: str
    dm: Place

    @abstractmethod
    async def says(self, where: Place, text: str, *, files: Sequence[File] = (), to_bot: bool = False) -> Any:
        """Write; `to_bot`: so that it is meant for the bot, in a group."""

    @abstractmethod
    async def edits(self, where: Place, message: Any, text: str) -> None:
        """Change a message of one's own."""

    @abstractmethod
    async def presses(self, where: Place, said: Said, label: str) -> str:
        """Press a button without a form; what the presser alone is told ("" for nothing)."""


class Platform(ABC):
    """A platform on loopback, behind the channel `family`. What its channel does not declare, it need not have."""

    name = ""
    can: Capabilities
    """What the channel declares."""
    needs_pairing = True
    """As the channel declares it."""
    env: Mapping[str, str]

    def needs(self, *wanted: str) -> None:
        """Skip the test unless the channel declares all of these fields of `Capabilities`."""
        lacking = [each for each in wanted if not getattr(self.can, each)]
        if lacking:
            pytest.skip(f"the channel '{self.name}' does not declare {' and '.join(lacking)}")

    def sends(self) -> None:
        """Skip the test where a commit delivers, and nothing is sent."""
        if not self.needs_pairing:
            pytest.skip(f"the channel '{self.name}' declares that a commit delivers its messages")

    def stands_in(self, folder: Path) -> None:  # noqa: B027 - most need not know it
        """The folder of the bridge's config, before it is up."""

    @abstractmethod
    def section(self) -> str:
        """Its lines in [channels.family]."""

    @abstractmethod
    def human(self, name: str) -> Human:
        """Somebody."""

    def robot(self, name: str) -> Human:
        """Another bot, which ours can hear."""
        raise NotImplementedError(UNDECLARED)

    def group(self, *members: Human) -> Place:
        """A group with these people and the bot."""
        raise NotImplementedError(UNDECLARED)

    def forum(self, *members: Human) -> Place:
        """A group with these people in which the bot may make topics."""
        raise NotImplementedError(UNDECLARED)

    def topics(self, where: Place) -> Mapping[str, bool]:
        """The topics of such a group by their names, and whether each is closed."""
        raise NotImplementedError(UNDECLARED)

    def loses_topic(self) -> None:
        """The next topic is made, and the answer to that request gets lost."""
        raise NotImplementedError(UNDECLARED)

    def loses_answer(self) -> None:
        """The next message reaches its chat, and the answer to that request gets lost."""
        raise NotImplementedError(UNDECLARED)

    def asks_to_wait(self, seconds: int) -> None:
        """The next message is refused with the time to wait."""
        raise NotImplementedError(UNDECLARED)

    @abstractmethod
    def reactions(self, where: Place, message: Any) -> list[str]:
        """The bot's reactions below a message of somebody, as emoji."""

    @abstractmethod
    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of the platform."""
