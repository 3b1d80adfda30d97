"""One bridge on Discord, Slack and Telegram: a group asks on the first, and people decide on the two others.

    python -m examples.three_platforms

The platforms and the people are from the tests (`tests.servers`) and run on this machine, so no token and no network
is needed; the bridge and its nested MCP server are real. For bots of your own, leave out `api_base_url` and name your
tokens.
"""

from __future__ import annotations

import json
import sys

import anyio

from examples.sandbox import Sandbox, answer, sandbox
from tests.channels.discord_platform import Discord
from tests.channels.platforms import Human, Place, Said
from tests.channels.slack_platform import Slack
from tests.channels.telegram_platform import Telegram
from tests.servers.discord import DiscordServer
from tests.servers.slack import SlackServer
from tests.servers.telegram import TelegramServer

CONFIG = """
[approvals]
route = [{slack_chat}, {telegram_chat}]

[channels.guild]
type = "discord"
token_file = "discord-token"
api_base_url = {discord}

[channels.work]
type = "slack"
bot_token_file = "slack-bot-token"
app_token_file = "slack-app-token"
api_base_url = {slack}

[channels.family]
type = "telegram"
token_file = "telegram-token"
api_base_url = {telegram}
"""


def configure(box: Sandbox, discord: DiscordServer, slack: SlackServer, telegram: TelegramServer, **chats: str) -> None:
    """Add the three channels, and where is asked."""
    for name, token in (
        ("discord-token", discord.token),
        ("slack-bot-token", slack.bot_token),
        ("slack-app-token", slack.app_token),
        ("telegram-token", telegram.token),
    ):
        box.config.with_name(name).write_text(token)
    addresses = {"discord": discord.api_url, "slack": slack.url, "telegram": telegram.url, **chats}
    with box.config.open("a") as config:
        config.write(CONFIG.format(**{name: json.dumps(value) for name, value in addresses.items()}))


async def asked(place: Place, where: str) -> dict[str, Said]:
    """The two prompts, by the file that each is about."""
    prompts = [each for each in await place.until(lambda said: sum(bool(s.buttons) for s in said) >= 2) if each.buttons]
    print(f"{where}: {len(prompts)} prompts, with the buttons {', '.join(prompts[0].buttons)}")
    return {name: each for each in prompts for name in ("draft-old.txt", "taxes.txt") if name in each.text}


async def decides(person: Human, prompt: Said, label: str, where: str) -> None:
    told = await person.presses(person.dm, prompt, label)
    print(f"({person.name} presses {label} on {where}: {told})")


async def outcomes(place: Place, where: str) -> list[str]:
    """Wait until no prompt has a button any more; what each says in the end."""
    said = await place.until(lambda said: len(said) >= 2 and not any(each.buttons for each in said))
    told = [
        line for each in said for line in each.text.splitlines() if "by " in line and ("Appr" in line or "Rej" in line)
    ]
    print(f"{where} tells: {'; '.join(told)}")
    return told


async def main() -> int:
    async with DiscordServer() as at_discord, SlackServer() as at_slack, TelegramServer() as at_telegram:
        discord, slack, telegram = Discord(at_discord), Slack(at_slack), Telegram(at_telegram)
        ann, bea, cid = discord.human("Ann"), slack.human("Bea"), telegram.human("Cid")
        home = discord.group(ann)
        with sandbox() as box:
            chats = {"slack_chat": f"work/{bea.id}", "telegram_chat": f"family/{cid.id}"}
            configure(box, at_discord, at_slack, at_telegram, **chats)
            async with box.connect("--scopes", "read,send,admin") as owner:
                for channel, chat, role in (
                    ("guild", home.chat, "user"),
                    ("work", bea.id, "approver"),
                    ("family", cid.id, "approver"),
                ):
                    given = {"channel": channel, "chat": chat, "role": role}
                    answer(await owner.call_tool("pair_chat", given))
                await cid.says(cid.dm, "/start")  # Telegram lets no bot write first
                await at_discord.connected(30)
                print("Ann, in a channel on Discord: @bot tidy up, please")
                await ann.says(home, "tidy up, please", to_bot=True)
                on_slack, on_telegram = await asked(bea.dm, "Slack"), await asked(cid.dm, "Telegram")
                await decides(bea, on_slack["draft-old.txt"], "Approve", "Slack")
                await decides(cid, on_telegram["taxes.txt"], "Reject", "Telegram")
                told = [await outcomes(bea.dm, "Slack"), await outcomes(cid.dm, "Telegram")]
                last = (await home.until(lambda said: said and "allowed to" in said[-1].text))[-1]
                print(f"Discord tells: {last.text}")
                left = sorted(path.name for path in box.files.iterdir())
                print(f"(left: {', '.join(left)})")
                return 0 if left == ["letter.txt", "taxes.txt"] and all(len(each) == 2 for each in told) else 1


if __name__ == "__main__":
    sys.exit(anyio.run(main))
