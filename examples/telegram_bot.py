"""A Telegram bot with tools: a person asks for a deletion, and decides on it with a button.

    python -m examples.telegram_bot

The Bot API server and the person are from the tests (`tests.servers.telegram`) and run on this machine, so no
token and no network is needed; the bridge and its nested MCP server are real. For a bot of your own, leave out
`api_base_url` and name your token.
"""

from __future__ import annotations

import json
import sys

import anyio

from examples.sandbox import answer, sandbox
from tests.servers.telegram import Message, TelegramServer, User

CHANNEL = """
[channels.family]
type = "telegram"
token_file = "token"
api_base_url = {url}
"""


async def asks(person: User, text: str, replies: int) -> Message:
    """Say something, and wait until the bot has said so much in all; its last message."""
    print(f"{person.name}: {text}")
    await person.sends(person.dm, text)
    message = (await person.dm.bot_says(replies, 30))[-1]
    print(f"bot: {message.text}\n")
    return message


async def main() -> int:
    async with TelegramServer() as telegram:
        with sandbox() as box:
            box.config.with_name("token").write_text(telegram.token)
            with box.config.open("a") as config:
                config.write(CHANNEL.format(url=json.dumps(telegram.url)))
            async with box.connect("--scopes", "read,send,admin") as owner:
                ann = telegram.user("Ann")
                told = await asks(ann, "hello?", 1)
                code = told.text.split()[-1]
                answer(await owner.call_tool("pair_chat", {"code": code, "role": "approver"}))
                print(f"(the owner accepts the code {code})\n")
                for message in (await ann.dm.bot_says(3, 30))[1:]:
                    print(f"bot: {message.text}\n")
                first = await asks(ann, "tidy up, please", 6)
                for prompt in (await ann.dm.bot_says(6, 30))[-2:]:
                    wanted = "✅ Approve" if "draft" in prompt.text else "❌ Reject"
                    pressed = await ann.presses(prompt, wanted)
                    print(f"({ann.name} presses {wanted}: {(await pressed.answered(30)).text})")
                last = (await ann.dm.bot_says(7, 30))[-1]
                print(f"bot: {last.text}\n")
                left = sorted(path.name for path in box.files.iterdir())
                print(f"(left: {', '.join(left)})")
                return 0 if left == ["letter.txt", "taxes.txt"] and first.by_bot else 1


if __name__ == "__main__":
    sys.exit(anyio.run(main))
