"""Actions cut into requests: as many each time, in order, and none that Telegram would refuse."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge_mcp.channels.telegram.send.keyboards import keyboard
from bridge_mcp.channels.telegram.send.requests import Album, Body, File, Rewrite, Text, cut
from bridge_mcp.channels.telegram.text.entities import entities
from bridge_mcp.channels.telegram.text.marked_text import Rich, visible
from bridge_mcp.channels.telegram.text.render import Renderer
from bridge_mcp.channels.telegram.text.split import MAX_CAPTION, MAX_TEXT
from bridge_mcp.core.entries import Button, Question
from bridge_mcp.ports import Edit, Outgoing, OutgoingAction, Upload
from tests.servers.telegram.formatting import cleaned, formatted
from tests.unit.telegram_texts import any_text, markdown

RENDERER = Renderer()
UPLOADS = st.lists(
    st.builds(
        Upload,
        st.sampled_from(["image", "audio", "video", "file"]),
        st.sampled_from(["a.png", "a.mp4", "a.ogg", "a", "a.txt"]),
        data=st.just(b"x"),
    ),
    max_size=14,
).map(tuple)


def bodies(action: OutgoingAction) -> list[Body]:
    made: list[Body] = []
    for part in cut(action, RENDERER):
        assert part.chat == action.chat
        assert isinstance(part.body, Body)
        made.append(part.body)
    return made


def labels(made: list[Button]) -> list[list[str]]:
    shown = keyboard(made)
    return [[button.text for button in row] for row in shown.inline_keyboard] if shown else []


def takes(rich: Rich, most: int, *, may_be_empty: bool = False) -> None:
    """Telegram takes a text and leaves it as it is; checked by the loopback one, which knows the documentation."""
    stands = cleaned(formatted(rich.text, "", [mark.to_dict() for mark in entities(rich)]), may_be_empty=may_be_empty)
    assert stands.text == rich.text
    assert stands.units <= most
    sent = sum(mark.type != "url" for mark in entities(rich))
    assert sent <= 100
    found = [mark for mark in stands.entities if mark.type not in ("url", "email", "mention", "hashtag", "bot_command")]
    assert len(found) == sent
    assert may_be_empty or visible(rich.text)


def texts(action: OutgoingAction) -> Iterator[tuple[Rich, int]]:
    for body in bodies(action):
        match body:
            case Text() | Rewrite():
                yield body.rich, MAX_TEXT
            case File() | Album():
                yield body.caption, MAX_CAPTION
            case _:
                pytest.fail(f"{body!r} has no text")


@settings(max_examples=50, deadline=None)
@given(st.one_of(markdown(), any_text()), UPLOADS, st.integers(1, 400), st.booleans(), st.booleans())
def test_no_part_that_telegram_would_refuse(
    source: str, uploads: tuple[Upload, ...], times: int, button: bool, question: bool
) -> None:
    action = Outgoing(
        "-5/7",
        (source + "\n") * min(times, 1 + 5_000 // (len(source) + 1)),
        uploads,
        (Button("Yes", "y"),) if button else (),
        question=Question() if question else None,
    )
    made = bodies(action)
    assert cut(action, Renderer()) == cut(action, RENDERER), "the same parts each time"
    assert made
    for rich, most in texts(action):
        takes(rich, most, may_be_empty=most == MAX_CAPTION)
    sent = [
        upload
        for body in made
        if isinstance(body, File | Album)
        for upload in ((body.upload,) if isinstance(body, File) else [upload for upload, _ in body.uploads])
    ]
    assert tuple(sent) == uploads, "every file, in order"
    for body in made:
        if isinstance(body, Album):
            assert 2 <= len(body.uploads) <= 10
            assert all(form in ("photo", "video") for _, form in body.uploads)
    *others, last = made
    assert not any(isinstance(body, Text | File) and (body.buttons or body.wants_reply) for body in others)
    if button or question:
        assert isinstance(last, Text | File)
        assert bool(last.buttons) == button
        assert last.wants_reply == (question and not button)


@settings(max_examples=50, deadline=None)
@given(st.one_of(markdown(), any_text()), st.integers(1, 4))
def test_no_edit_that_telegram_would_refuse(source: str, count: int) -> None:
    action = Edit(
        "5",
        tuple(str(number) for number in range(count)),
        source * (1 + 5_000 // (len(source) + 1)),
        buttons=(Button("Yes", "y"),),
    )
    made = bodies(action)
    assert len(made) >= count
    with_text = [body for body in made if isinstance(body, Text | Rewrite)]
    for body in with_text:
        takes(body.rich, MAX_TEXT)
    assert [bool(body.buttons) for body in with_text] == [False] * (len(with_text) - 1) + [True]
    assert [body.message for body in made if isinstance(body, Rewrite)] == list(range(min(count, len(with_text))))


@pytest.mark.parametrize(
    ("shown", "rows"),
    [
        (["Yes", "No"], [["Yes", "No"]]),
        (["1", "2", "3", "4", "5"], [["1", "2"], ["3", "4", "5"]]),
        (["Monday", "Tuesday", "Friday", "Sunday"], [["Monday", "Tuesday"], ["Friday", "Sunday"]]),
        (["Approve", "Reject", "Always"], [["Approve", "Reject", "Always"]]),
        (["Approve this", "Reject"], [["Approve this", "Reject"]]),
        (["A label as long as a line", "Short"], [["A label as long as a line"], ["Short"]]),
        ([], []),
    ],
)
def test_buttons_stand_in_rows_that_can_be_read(shown: list[str], rows: list[list[str]]) -> None:
    assert labels([Button(label, label) for label in shown]) == rows


def test_a_hundred_buttons_are_all_there() -> None:
    names = [str(number) for number in range(100)]
    rows = labels([Button(name, name) for name in names])
    assert list(itertools.chain(*rows)) == names
    assert {len(row) for row in rows} == {4}
