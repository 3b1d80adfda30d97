"""Fields that no `repr` shows."""

from __future__ import annotations

from typing import ClassVar

from bridge_mcp.channels.telegram.bot.settings import TelegramSettings
from bridge_mcp.core.secret_fields import HidesFields
from bridge_mcp.models.settings import ModelSettings


class Login(HidesFields, frozen=True):
    HIDDEN: ClassVar = frozenset({"password"})

    user: str
    password: str = ""


def test_a_hidden_field_is_not_shown_and_counts_all_the_same() -> None:
    assert repr(Login("ann", "hunter2")) == "Login(user='ann')"
    assert Login("ann", "hunter2") != Login("ann", "hunter3")


def test_no_setting_shows_its_secret() -> None:
    settings = [
        TelegramSettings("tg", "12:hunter2"),
        ModelSettings("default", "m", api_key="hunter2", params={"headers": "hunter2"}),
    ]
    assert [value for value in settings if "hunter2" in repr(value)] == []
