"""The one error tree. Each error says what failed, where, and what to do next; the docstring is the default message.

BridgeError
├── BadInput            the caller's words are off; nothing was changed
│   ├── TooEarly        what it needs has not happened yet
│   ├── KeyUsed         this idempotency key was used for something else
│   ├── Unsupported     the channel does not declare that it can do this
│   ├── BadJSON         a text that is no JSON, or JSON that is refused: too deep, too long, not finite
│   └── NotFound        a name or an id that points nowhere
├── Denied              the caller may not do this
│   └── NotPaired       the chat has not been let in
├── AlreadyDecided      the approval has its verdict
├── TooMany             as much waits as may
├── ConfigError         the configuration is off; nothing was started
├── StoreError          the store cannot serve
│   ├── Conflict        somebody else appended first: load again
│   ├── Unreadable      an entry of a log cannot be read
│   │   └── NewerSchema     the store was written by a newer bridge_mcp
│   └── StoreLost       the file that was opened is not the store any more
├── ModelFailed         a model call gave no reply
├── ToolFailed          a nested tool call gave no result
│   └── ToolUncertain   nobody can say whether the call took effect
├── SendFailed          a message did not go out
│   └── SendUncertain   nobody can say whether it went out
├── FetchFailed         a file could not be had
└── PlaceLost           this process is not the engine any more
"""

from __future__ import annotations

import errno

from bridge_mcp.core.chat_texts import NO_ANSWER

__all__ = [
    "AlreadyDecided",
    "BadInput",
    "BadJSON",
    "BridgeError",
    "ConfigError",
    "Conflict",
    "Denied",
    "FetchFailed",
    "KeyUsed",
    "ModelFailed",
    "NewerSchema",
    "NotFound",
    "NotPaired",
    "PlaceLost",
    "SendFailed",
    "SendUncertain",
    "StoreError",
    "StoreLost",
    "TooEarly",
    "TooMany",
    "ToolFailed",
    "ToolUncertain",
    "Unreadable",
    "Unsupported",
    "room_or",
]

NO_ROOM = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})


def room_or(error: OSError, fix: str) -> str:
    """What helps where a file cannot be written: room, where the disk is full; else this fix."""
    return "Free some space on that disk." if error.errno in NO_ROOM else fix


class BridgeError(Exception):
    """Something failed in the bridge."""

    code = "error"
    """A stable word for programs; the message is for people."""
    helps = ""
    """What helps in general, for the reference; `fix` is what helps in this case."""

    def __init__(self, message: str = "", *, fix: str = "") -> None:
        text = message or (self.__doc__ or "").strip()
        super().__init__(f"{text} {fix}".strip() if fix else text)
        self.fix = fix


class BadInput(BridgeError):
    """The input is not usable."""

    code = "bad_input"
    helps = "Nothing was changed: mend the call as the message says."


class Unsupported(BadInput):
    """This channel cannot do that."""

    code = "unsupported"
    helps = "Nothing was changed: `can` of a channel in `list_channels` says what it can do."


class BadJSON(BadInput):
    """This is not JSON that can be read."""


class TooEarly(BadInput):
    """What this needs has not happened yet."""

    code = "too_early"
    helps = "Nothing was changed: wait for what is named, and repeat the call."


class KeyUsed(BadInput):
    """This idempotency key was used for something else."""

    helps = "Nothing was changed: use a new key for each different call, and the same one only to repeat a call."


class NotFound(BadInput):
    """There is no such thing."""

    code = "not_found"
    helps = "Look the name or the id up again: what lists it is named."


class Denied(BridgeError):
    """You may not do this."""

    code = "denied"
    helps = "Somebody with the scope, or who is let in there, can do it; the owner says who that is."


class NotPaired(Denied):
    """This chat has not been paired with the bridge."""

    code = "not_paired"
    helps = "The owner lets it in: `bridge-mcp pair add`."


class AlreadyDecided(BridgeError):
    """This approval already has its verdict."""

    code = "already_decided"
    helps = "The first verdict holds; the message says whose it was."


class TooMany(BridgeError):
    """As much waits already as may."""

    code = "too_many"
    helps = "Nothing was changed: ask again once some of it is done."


class ConfigError(BridgeError):
    """The configuration is not usable."""

    code = "config"
    helps = "Nothing was started: mend the key that is named, and run `bridge-mcp check`."


class StoreError(BridgeError):
    """The store cannot serve this."""

    code = "store"
    helps = "Look at the disk and at the state folder; `bridge-mcp check` says what is wrong."

    @classmethod
    def of_lock(cls, path: str, error: OSError) -> StoreError:
        """The error of a file whose folder cannot hold locks."""
        return cls(
            f"{path} cannot be locked: {error.strerror or error}.",
            fix=room_or(error, "Put the state folder on a local disk (BRIDGE_MCP_STATE_DIR)."),
        )


class Conflict(StoreError):
    """Somebody else appended to this conversation first."""

    code = "conflict"
    helps = "Load again and repeat; the bridge does so by itself."


class Unreadable(StoreError):
    """An entry of a log cannot be read."""

    code = "unreadable"
    helps = "`bridge-mcp log CONVERSATION --verify` shows which entry it is."


class NewerSchema(Unreadable):
    """The store was written by a newer version of bridge_mcp."""

    code = "newer_schema"
    helps = "Update the bridge that reads it."


class StoreLost(StoreError):
    """The store that this process opened is gone, replaced, or migrated by another process."""

    code = "store_lost"
    helps = "Start the process again."


class ModelFailed(BridgeError):
    """The model gave no reply.

    `retry_after_s` is what the provider asked for, if it did; `permanent` says that asking again cannot help;
    `for_chat` is one short sentence that may be shown to a chat user, with the provider's own words behind it where
    `aloud` says so; `kind` is a stable word for programs.
    """

    code = "model_failed"
    helps = "The message says why; what may pass is asked again by itself."

    def __init__(
        self,
        message: str,
        *,
        fix: str = "",
        permanent: bool = False,
        retry_after_s: float | None = None,
        for_chat: str = NO_ANSWER,
        kind: str = "",
        aloud: bool = False,
    ) -> None:
        super().__init__(message, fix=fix)
        self.kind = kind
        self.aloud = aloud
        self.permanent = permanent
        self.retry_after_s = retry_after_s
        self.for_chat = for_chat


class ToolFailed(BridgeError):
    """The tool call gave no result."""

    code = "tool_failed"
    helps = "It had no effect, or it says so itself: mend the arguments, or see the server in `list_tools`."


class ToolUncertain(ToolFailed):
    """The connection broke while the tool was running: nobody can say whether it took effect."""

    code = "tool_uncertain"
    helps = "Look at what the tool changes before you call it again."


class SendFailed(BridgeError):
    """The message did not go out.

    `retry_after_s` is set when sending again is safe: the platform's own wait, which is kept exactly, or 0 when the
    request surely did not arrive, and may soon. None means that sending again cannot help.
    """

    code = "send_failed"
    helps = "The message says why: mend that, and send it again."

    def __init__(self, message: str, *, fix: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, fix=fix)
        self.retry_after_s = retry_after_s


class SendUncertain(SendFailed):
    """The connection broke while the message was on its way: nobody can say whether it went out."""

    code = "send_uncertain"
    helps = "Look into the chat before you send it again."


class FetchFailed(BridgeError):
    """The file could not be had."""

    code = "fetch_failed"
    helps = "Try again later; old files may be gone from their platform."


class PlaceLost(BridgeError):
    """The lock that this process held as the engine is not the one at its path any more."""

    code = "place_lost"
    helps = "This process stops being the engine; `bridge-mcp status` tells which one is."
