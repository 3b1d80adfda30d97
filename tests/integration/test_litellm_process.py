"""The life of litellm's process: what it says beside answers, how it ends, and what becomes of the calls then.

A stand-in takes litellm's place here, which can be told to misbehave; the contract and the other tests of models ask
the real one.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from os import kill
from pathlib import Path

import anyio
import pytest

from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models import litellm_process
from bridge_mcp.models.litellm import LitellmModel
from bridge_mcp.models.litellm_process import LitellmProcess
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ModelReply, ModelRequest
from tests.servers.launch import alive, eventually, lines_of

STAND_IN = """
import asyncio, logging, os, sys, types
from pathlib import Path

here = Path(__file__).parents[1]
exec((here / "at-import.py").read_text()) if (here / "at-import.py").exists() else None
suppress_debug_info = modify_params = False

def completion(**request):
    return ()

class Whole:
    _hidden_params = {}

    def __init__(self, text):
        self.text = text

    def model_dump(self, *, warnings):
        message = {"role": "assistant", "content": self.text}
        return {"choices": [{"message": message, "finish_reason": "stop"}]}

async def acompletion(*, messages, **request):
    said = messages[-1]["content"]
    if said == "print":
        print("Provider List: https://docs.litellm.ai/docs/providers", flush=True)
        logging.getLogger("LiteLLM").warning("called with %s", "sk-planted-0123456789")
    elif said == "flood":
        print("x" * 3_000_000, end="", file=sys.stderr, flush=True)
        await asyncio.sleep(3600)
    elif said == "long":
        return Whole("y" * 3_000_000)
    elif said == "die":
        print("Fatal error: out of luck, sk-planted-0123456789", file=sys.stderr, flush=True)
        os._exit(7)
    elif said == "environment":
        return Whole(" ".join(sorted(os.environ)))
    elif said == "break":
        raise KeyError("choices")
    elif said == "wait":
        try:
            with (here / "asked").open("a") as asked:
                print(request["api_key"], file=asked)
            await asyncio.sleep(3600)
        finally:
            (here / "hung-up").touch()
    return Whole(f"You said: {said}")
"""
SDK = "class OpenAIError(Exception):\n    pass\n"


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which litellm's process finds modules first; `at-import.py` there runs when it loads."""
    for name, text in {"litellm": STAND_IN, "openai": SDK, "openai/resources": "", "openai/resources/chat": ""}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(text, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)  # pyright: ignore[reportUnknownMemberType]
    return tmp_path


@pytest.fixture
async def process(stand_in: Path) -> AsyncIterator[LitellmProcess]:
    made = LitellmProcess()
    yield made
    await made.close()


async def say(process: LitellmProcess, text: str, key: str = "") -> ModelReply:
    model = LitellmModel(ModelSettings("default", "acme/m", api_key=key), process)
    return await model.reply(ModelRequest("default", (ChatMessage("user", text),)))


async def test_it_starts_with_the_first_call_and_once(process: LitellmProcess) -> None:
    assert process.pid is None
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(say, process, "hello")
    first = process.pid
    assert (await say(process, "hello")).text == "You said: hello"
    assert process.pid == first is not None


async def test_what_it_prints_is_no_answer_and_what_it_logs_comes_without_keys(
    process: LitellmProcess, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG, "bridge_mcp.models.litellm")
    assert (await say(process, "print")).text == "You said: print"
    await process.close()
    records = {record.getMessage(): record.levelname for record in caplog.records}
    assert records["LiteLLM: called with [key]"] == "WARNING"
    assert records["Provider List: https://docs.litellm.ai/docs/providers"] == "DEBUG"
    assert capfd.readouterr().out == ""


@pytest.mark.shows("models.own-process")
async def test_it_sees_the_machine_and_its_providers_but_no_other_secret(
    process: LitellmProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = ("TELEGRAM_BOT_TOKEN", "BRIDGE_CLIENT_TOKEN", "GITHUB_TOKEN", "PGPASSWORD", "MY_SERVICE_API_KEY", "NOTES")
    own = ("ANTHROPIC_API_KEY", "AWS_REGION", "AZURE_API_VERSION", "GITHUB_API_KEY", "https_proxy", "SSL_CERT_FILE")
    for name in (*foreign, *own):
        monkeypatch.setenv(name, "planted-0123456789")
    seen = set((await say(process, "environment")).text.removeprefix("You said: ").split())
    assert {*own, "PATH", "PYTHONPATH"} <= seen
    assert not seen & set(foreign)


@pytest.mark.parametrize("said", ["flood", "long"], ids=["beside answers", "as an answer"])
async def test_a_line_without_end_ends_the_process_and_the_next_call_starts_it_again(
    process: LitellmProcess, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setattr(litellm_process, "MAX_LINE", 1_000_000)
    first = await say(process, "hello")
    pid = process.pid
    with pytest.raises(ModelFailed, match="it said more than 1,000,000 bytes at once"), anyio.fail_after(20):
        await say(process, said)
    assert (await say(process, "hello")).text == first.text
    assert process.pid != pid


async def test_when_it_dies_all_calls_fail_once_and_the_next_one_starts_it_again(
    process: LitellmProcess, stand_in: Path
) -> None:
    failures: list[ModelFailed] = []

    async def doomed(text: str) -> None:
        with pytest.raises(ModelFailed) as failure:
            await say(process, text)
        failures.append(failure.value)

    await process.ready()
    first = process.pid
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(doomed, "wait")
        await eventually(lambda: lines_of(stand_in / "asked"))
        tasks.start_soon(doomed, "die")
    assert len(failures) == 2
    for failure in failures:
        assert (failure.kind, failure.permanent) == ("broken", False)
        assert "models.default (acme/m)" in str(failure)
        assert "litellm's process ended with 7: Fatal error: out of luck, [key]" in str(failure)
        assert "broke off" in failure.for_chat
    assert (await say(process, "hello")).text == "You said: hello"
    assert process.pid not in (None, first)


async def test_a_killed_one_is_started_again(process: LitellmProcess) -> None:
    await process.ready()
    first = process.pid
    assert first is not None
    kill(first, signal.SIGKILL)
    await eventually(lambda: process.pid is None)
    assert (await say(process, "hello")).text == "You said: hello"


async def test_a_cancelled_call_is_taken_back(process: LitellmProcess, stand_in: Path) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(say, process, "wait")
        await eventually(lambda: lines_of(stand_in / "asked"))
        tasks.cancel_scope.cancel()
    await eventually(lambda: (stand_in / "hung-up").exists())
    assert (await say(process, "hello")).text == "You said: hello"


async def test_keys_reach_it_with_the_call_alone(process: LitellmProcess, stand_in: Path) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(say, process, "wait", "sk-of-this-call")
        await eventually(lambda: lines_of(stand_in / "asked") == ["sk-of-this-call"])
        if sys.platform == "linux":
            assert b"sk-of-this-call" not in seen_by_all(process.pid)
        tasks.cancel_scope.cancel()


def seen_by_all(pid: int | None) -> bytes:
    """What the system tells of a process."""
    return b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ"))


async def test_an_error_of_its_own_is_a_failed_call(process: LitellmProcess, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ModelFailed, match="KeyError: 'choices'") as failure:
        await say(process, "break")
    assert not failure.value.permanent
    assert "litellm failed unexpectedly" in caplog.text
    assert (await say(process, "hello")).text == "You said: hello"


async def test_without_litellm_the_fix_is_told_and_taken(process: LitellmProcess, stand_in: Path) -> None:
    (stand_in / "at-import.py").write_text("raise ImportError('no such wheel')", "utf-8")
    with pytest.raises(ModelFailed, match="litellm cannot be imported: no such wheel") as failure:
        await say(process, "hello")
    assert failure.value.permanent
    assert "Install the bridge again" in failure.value.fix
    (stand_in / "at-import.py").unlink()
    await eventually(lambda: process.pid is None)
    assert (await say(process, "hello")).text == "You said: hello"


async def test_one_that_dies_while_it_loads_is_a_failed_attempt(process: LitellmProcess, stand_in: Path) -> None:
    (stand_in / "at-import.py").write_text("os._exit(9)", "utf-8")
    with pytest.raises(ModelFailed, match="ended with 9") as failure:
        await say(process, "hello")
    assert not failure.value.permanent


LOADS_FOR_EVER = "Path(here / 'loading').touch(); __import__('threading').Event().wait()"


async def test_closing_does_not_wait_for_what_is_loading(process: LitellmProcess, stand_in: Path) -> None:
    (stand_in / "at-import.py").write_text(LOADS_FOR_EVER, "utf-8")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(suppressed, process)
        await eventually(lambda: (stand_in / "loading").exists())
        pid = process.pid or 0
        assert alive({pid})
        await process.close()
        assert not alive({pid})


async def suppressed(process: LitellmProcess) -> None:
    with suppress(ModelFailed):
        await process.ready()


BRIDGE = """
import anyio, sys
from bridge_mcp.models.litellm_process import LitellmProcess

async def main():
    process = LitellmProcess()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(process.ready)
        if sys.argv[1] == "loaded":
            await process.ready()
        while process.pid is None:
            await anyio.sleep(0.001)
        print(process.pid, flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


@pytest.mark.shows("models.own-process")
@pytest.mark.parametrize("when", ["loaded", "loading"])
def test_it_ends_with_a_bridge_that_was_killed(when: str, stand_in: Path) -> None:
    if when == "loading":
        (stand_in / "at-import.py").write_text(LOADS_FOR_EVER, "utf-8")
    search = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    with subprocess.Popen([sys.executable, "-c", BRIDGE, when], stdout=subprocess.PIPE, env=search) as bridge:
        assert bridge.stdout is not None
        pid = int(bridge.stdout.readline())
        assert alive({pid})
        bridge.kill()
    anyio.run(eventually, lambda: not alive({pid}))
