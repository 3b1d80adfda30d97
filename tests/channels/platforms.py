"""What a platform is to the suite: people, places where they write, and what goes wrong there.

A new channel brings a `Platform` in a module of its own, and a line in `conftest.py`; the behaviours stay as they are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["WAIT_S", "File", "Human", "Place", "Platform", "Said"]

WAIT_S = 20.0


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
    """A platform on loopback, behind the channel `family`."""

    name = ""
    limit = 4096
    """Characters of one message, at most."""
    settles = False
    """Whether an uncertain send is settled by looking, and so is no longer one."""
    env: Mapping[str, str]

    @abstractmethod
    def section(self) -> str:
        """Its lines in [channels.family]."""

    @abstractmethod
    def human(self, name: str) -> Human:
        """Somebody."""

    @abstractmethod
    def robot(self, name: str) -> Human:
        """Another bot, which ours can hear."""

    @abstractmethod
    def group(self, *members: Human) -> Place:
        """A group with these people and the bot."""

    @abstractmethod
    def loses_answer(self) -> None:
        """The next message reaches its chat, and the answer to that request gets lost."""

    @abstractmethod
    def asks_to_wait(self, seconds: int) -> None:
        """The next message is refused with the time to wait."""

    @abstractmethod
    def reactions(self, where: Place, message: Any) -> list[str]:
        """The bot's reactions below a message of somebody, as emoji."""

    @abstractmethod
    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of the platform."""
