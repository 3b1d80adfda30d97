"""Errors of the API, with the codes of https://docs.discord.com/developers/topics/opcodes-and-status-codes#json."""

from __future__ import annotations

from tests.servers.discord.world import Object

__all__ = ["Refused", "forbidden", "invalid", "missing"]


class Refused(Exception):
    """A request that the API refuses."""

    def __init__(self, status: int, code: int, message: str, errors: Object | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.body: Object = {"message": message, "code": code} | ({"errors": errors} if errors else {})


MISSING = {"channel": 10003, "guild": 10004, "message": 10008, "user": 10013, "emoji": 10014, "interaction": 10062}


def missing(what: str) -> Refused:
    return Refused(404, MISSING[what], f"Unknown {what.title()}")


def forbidden(code: int = 50013) -> Refused:
    texts = {50001: "Missing Access", 50007: "Cannot send messages to this user", 50013: "Missing Permissions"}
    return Refused(403, code, texts[code])


def invalid(field: str, kind: str, message: str) -> Refused:
    """50035, with the place in the form: `components.0.components`."""
    errors: Object = {"_errors": [{"code": kind, "message": message}]}
    for name in reversed(field.split(".")):
        errors = {name: errors}
    return Refused(400, 50035, "Invalid Form Body", errors)
