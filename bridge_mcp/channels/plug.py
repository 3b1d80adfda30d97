"""What a channel type is: all that a package for a platform gives, and all that it is given.

A package makes one `ChannelType` and names it as an entry point of the group `bridge_mcp.channels`, under the word that
stands at `type` in `[channels.NAME]`. Nothing else of the bridge knows the platform.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Generic, Protocol, TypeVar

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bridge_mcp.ports import BotMode, Channel, Clock, GroupMode

__all__ = [
    "AnyChannelType",
    "ChannelType",
    "Chat",
    "Found",
    "Given",
    "KeyReader",
    "Keys",
    "PlatformKeys",
    "Text",
    "listen_address",
]

Text = Annotated[str, StringConstraints(min_length=1)]


class Keys(BaseModel):
    """A table of bridge.toml: no key beside those it lists, and no guessing of types. A docstring below each is shown.

    Keys of secrets end in `_env` and `_file`; their values are names, never secrets.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Chat(Keys):
    """[channels.NAME.chats."ID"]: one group of a channel, or one topic or thread of it ("ID/THREAD")."""

    groups: GroupMode | None = None
    """What the bot answers there: all (`always`), what is meant for it (`mention`), nothing (`observe`)."""
    bots: BotMode | None = None
    """Other bots there: not heard (`never`), or answered where they mention it or reply to it (`mentions`)."""


class PlatformKeys(Keys):
    """The keys that every platform with groups has; its own ones are fields of a subclass."""

    groups: GroupMode = "mention"
    """What it answers in groups: all (`always`), what is meant for it (`mention`), nothing (`observe`)."""
    chats: dict[Text, Chat] = {}
    """`groups` and `bots` of single groups and topics, by their id."""
    bots: BotMode = "never"
    """Other bots: not heard (`never`), or answered where they mention it or reply to it (`mentions`)."""
    bot_turns: int = Field(default=4, ge=1, le=50)
    """So many messages of other bots are answered in a row; then a person has to write. Posts of a channel: five
    minutes have to pass."""
    gather_s: float | None = Field(default=None, ge=0, le=3)
    """Seconds that a reply waits for what belongs to its message; without it: as the platform's apps cut messages."""


class KeyReader(Protocol):
    """Reads one section's secrets, and notes what is wrong with it. Keys are named as in the section."""

    name: str
    """NAME of `[channels.NAME]`."""

    def problem(self, key: str, what: str, fix: str) -> None:
        """Note one mistake: what is wrong with the key ("" for the whole section), and the next move."""
        ...

    def web_address(self, key: str, url: str | None) -> None:
        """Note an address that is not one of http or https."""
        ...

    def secret(self, key: str) -> str:
        """The secret that the section's `KEY_env` or `KEY_file` names; "" where neither does, or it is not there."""
        ...

    def holder(self, secret: str) -> str:
        """The other channel that has this secret already, which is one account's; "" for none: now it is ours."""
        ...

    def lacking(self) -> str:
        """Which secrets are named and not there, with the fix; "" for none."""
        ...


def listen_address(keys: KeyReader, key: str, address: str, *, like: str) -> tuple[str, int] | None:
    """The host and the port of HOST:PORT; None, with a problem noted, where it is none."""
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65536):
        return keys.problem(key, "this is not an address to listen on.", f'Write it like "{like}".')
    return host.strip("[]"), int(port)


class Given(Struct, frozen=True):
    """What a channel gets beside its settings."""

    clock: Clock
    commands: tuple[tuple[str, str], ...] = ()
    """Name and description of each command that the bridge answers in chats."""


class Found(Struct, frozen=True):
    """The result of one look at the platform: whether it passed, and its text, with the fix where it did not."""

    fine: bool
    told: str


K = TypeVar("K", bound=Keys)
S = TypeVar("S")


class ChannelType(Struct, Generic[K, S], frozen=True):
    """One type of channel. Making one, and importing its module, loads no library of the platform."""

    settings: type[K]
    """The keys of its sections, beside those of every channel."""
    check: Callable[[K, KeyReader], S]
    """Reads a section into settings: a frozen value with no secret in its `repr`. No I/O but `KeyReader`'s."""
    make: Callable[[S, Given], Channel]
    """The channel; opens no connection."""
    probe: Callable[[S, Clock], AsyncIterator[Found]] | None = None
    """What `bridge-mcp check` asks the platform, without touching a bridge that runs. None: there is none to ask."""
    template: str = ""
    """Its commented example of a section, for `bridge-mcp init`."""
    setup: Callable[[], str] | None = None
    """What `bridge-mcp init TYPE` prints: what to do and to paste at the platform. None: nothing."""
    gather_s: float = 0.0
    """`gather_s` of sections that do not say: how soon after each other its apps send what people sent as one."""
    loggers: tuple[str, ...] = ()
    """Loggers of its libraries that tell of every request, or of what people wrote: they are held to warnings."""
    guests: str = ""
    """The pattern of chats of guests (`Incoming.outsider`); its group `owner` is whose chat is asked for approvals."""
    user_id: str = r"-?[0-9]{1,20}"
    """The pattern of a user's id, as `[people]` may name it."""


AnyChannelType = ChannelType[Any, Any]
"""A type whose settings are its own business."""
