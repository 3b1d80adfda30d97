"""Slack's names for emoji, for reactions: https://docs.slack.dev/reference/methods/reactions.add takes names alone."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["emoji_name", "emoji_of"]

NAMES: Mapping[str, str] = {
    "👍": "+1", "👎": "-1", "❤": "heart", "🔥": "fire", "🎉": "tada", "😁": "grin", "😂": "joy", "🤔": "thinking_face",
    "👀": "eyes", "✅": "white_check_mark", "❌": "x", "👌": "ok_hand", "🙏": "pray", "👏": "clap", "💯": "100",
    "🚀": "rocket", "⏳": "hourglass_flowing_sand", "⌛": "hourglass", "⚠": "warning", "😢": "cry", "😱": "scream",
    "🤯": "exploding_head", "😴": "sleeping", "😎": "sunglasses", "🤝": "handshake", "✍": "writing_hand", "⭐": "star",
    "🎯": "dart", "💡": "bulb", "📌": "pushpin", "🔒": "lock", "🙂": "slightly_smiling_face", "😀": "grinning",
    "😊": "blush", "😍": "heart_eyes", "🥰": "smiling_face_with_3_hearts", "🤷": "shrug", "🤖": "robot_face",
    "👋": "wave", "🥳": "partying_face", "☑": "ballot_box_with_check", "❓": "question", "❗": "exclamation",
    "🏁": "checkered_flag", "💔": "broken_heart", "🤣": "rolling_on_the_floor_laughing", "😐": "neutral_face",
}  # fmt: skip
SIGNS = {name: sign for sign, name in NAMES.items()} | {"thumbsup": "👍", "thumbsdown": "👎"}
NAME = re.compile(r":?([a-z0-9_+'-]{1,100}):?")


def emoji_name(emoji: str) -> str:
    """The name of an emoji, or of `:one:` that is named already; "" where none is known."""
    sign = emoji.replace("\ufe0f", "")
    if sign in NAMES:
        return NAMES[sign]
    match = NAME.fullmatch(emoji)
    return match[1] if match else ""


def emoji_of(name: str) -> str:
    """The emoji of a name, or `:name:`."""
    return SIGNS.get(name.partition("::")[0], f":{name}:")
