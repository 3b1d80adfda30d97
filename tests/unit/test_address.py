"""A conversation's name, taken apart and put together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge_mcp.core.address import Address

PART = st.text(st.characters(exclude_characters="/", exclude_categories=("Cs",)), min_size=1, max_size=20)


@given(PART, PART, st.one_of(st.just(""), PART))
def test_a_name_comes_back_from_its_parts(channel: str, chat: str, thread: str) -> None:
    name = "/".join(part for part in (channel, chat, thread) if part)
    address = Address.of(name)
    assert address == Address(channel, chat, thread) == Address.on(channel, address.target)
    assert f"{channel}/{address.target}" == name


def test_a_limit_may_name_the_channel_the_chat_or_just_this_topic() -> None:
    assert Address.of("family/-100/7").places == ("family", "family/-100", "family/-100/7")
    assert Address.of("family/5").places == ("family", "family/5", "family/5")
    assert Address.of("family").chat == ""
