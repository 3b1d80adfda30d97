"""The origin's turns through a chat completions server, on its path for OpenAI-compatible ("local") providers.

It runs in an environment of its own and measures itself as the bridge is measured: turns by how many chats at once,
the CPU of one, one behind a history, one where 10,000 chats are paired, and one whose model asks for several slow
tools at once. It is spared what is not its own: a platform's client, and for the tools MCP servers and the network.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import Round, Rounds
from tests.bench.origin import installed
from tests.bench.peers import environment

__all__ = ["OriginFound", "measured"]

RUN_S = 600.0

PROGRAM = """\
import asyncio, gc, json, sys, time
from llm_expose.clients.base import BaseClient
from llm_expose.config.models import ExposureConfig, ProviderConfig, TelegramClientConfig
from llm_expose.core.orchestrator import Orchestrator
from llm_expose.providers.litellm_provider import LiteLLMProvider

asked = json.loads(sys.argv[1])

async def nothing(self, *args, **kwargs):
    return {}

Nobody = type("Nobody", (BaseClient,), {name: nothing for name in BaseClient.__abstractmethods__})

def orchestrator(channel=None, provider=None):
    local = ProviderConfig(provider_name="local", model="bench", base_url=asked["url"])
    client = TelegramClientConfig(bot_token="none")
    config = ExposureConfig(name="bench", channel_name=channel, provider=local, client=client)
    return Orchestrator(config, provider or LiteLLMProvider(local), Nobody(None))

async def many(origin, name, at_once, least):
    each = []
    numbers = iter(range(max(least, at_once)))

    async def talk(worker):
        for _ in numbers:
            begun = time.perf_counter()
            await origin._handle_message(f"{name}{worker}", asked["said"])
            each.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*(talk(worker) for worker in range(at_once)))
    return [each, time.perf_counter() - begun]

async def alone(origin, chat, times):
    each = []
    for _ in range(times):
        begun = time.perf_counter()
        await origin._handle_message(chat, asked["said"])
        each.append(time.perf_counter() - begun)
    return each

class Tools:
    tools = [{"type": "function", "function": {"name": "slow", "parameters": {"type": "object"}}}]

    def get_tool_server_name(self, name):
        return None

    async def initialize(self):
        pass

    async def execute_tool_call(self, call, *, execution_context=None):
        await asyncio.sleep(asked["tool_s"])
        return "done"

class Calling(LiteLLMProvider):
    async def complete_with_message(self, messages, *, tools=None, tool_choice=None):
        if messages[-1]["role"] == "tool":
            return {"role": "assistant", "content": "Done."}
        call = {"type": "function", "function": {"name": "slow", "arguments": "{}"}}
        calls = [{"id": f"call_{number}", **call} for number in range(asked["tools"])]
        return {"role": "assistant", "content": None, "tool_calls": calls}

async def main():
    origin = orchestrator()
    found = {"rounds": {str(count): [] for count in asked["at_once"]}, "cpu": [], "long": []}
    await many(origin, "warm", 16, 32)
    said = [{"role": "user", "content": asked["said"]}, {"role": "assistant", "content": "You said: " + asked["said"]}]
    origin._get_or_create_history("long").extend(said * (asked["history"] // 2))
    gc.freeze()
    for number in range(asked["rounds"]):
        for count in asked["at_once"]:
            found["rounds"][str(count)].append(await many(origin, f"r{number}.{count}.", count, asked["each"]))
        used = time.process_time()
        for turn in range(asked["each"]):
            await origin._handle_message(f"cpu{number}.{turn}", asked["said"])
        found["cpu"].append((time.process_time() - used) / asked["each"])
        found["long"] += await alone(origin, "long", 5)
    found["paired"] = await alone(orchestrator("bench"), "0", asked["few"])
    calling = orchestrator(provider=Calling(origin._config.provider))
    calling._mcp_runtime, calling._mcp_settings.confirmation_mode = Tools(), "optional"
    found["tools"] = await alone(calling, "tools", asked["few"])
    print(json.dumps(found))

asyncio.run(main())
"""


@dataclass(frozen=True, slots=True)
class OriginFound:
    """Rounds by how many at once; seconds: CPU of a turn, behind a history, with chats paired, with slow tools."""

    rounds: Mapping[int, Rounds]
    cpu: Sequence[float]
    long: Sequence[float]
    paired: Sequence[float]
    tools: Sequence[float]


def measured(url: str, said: str, paired: int, **sizes: object) -> OriginFound:
    """What it takes through the server at `url`. `sizes` are the program's own.

    Raises:
        OSError, RuntimeError, subprocess.SubprocessError: it cannot be had here, or did not do it.
    """
    with tempfile.TemporaryDirectory(prefix="bridge-mcp-bench-") as name:
        python = installed(Path(name) / "venv")
        pairs = {"pairs_by_channel": {"bench": [str(number) for number in range(paired)]}}
        (Path(name) / "pairs.yaml").write_text(json.dumps(pairs), encoding="utf-8")
        settings = environment() | {"LLM_EXPOSE_CONFIG_DIR": name, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        settings.pop("PYTHONPATH")
        asked = json.dumps({"url": url, "said": said, **sizes})
        command = [python, "-c", PROGRAM, asked]
        done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=RUN_S, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.strip() or "it failed without a word")
    told = json.loads(done.stdout.splitlines()[-1])
    rounds = {
        int(count): Rounds([Round(each, whole) for each, whole in these]) for count, these in told.pop("rounds").items()
    }
    return OriginFound(rounds, **told)
