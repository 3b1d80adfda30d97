"""The scenes of the demo, and the checks of each.

A real bridge as a child process over stdio, the published MCP client as a supervising agent, a real nested MCP server,
and a chat that another process writes to. Only the model is no real one: it follows a script, so that no key is needed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

import anyio
from mcp.client.stdio import get_default_environment

from bridge_mcp.cli.run import loop
from bridge_mcp.demo.agent import JSONObject, NotShown, Supervisor, supervised
from bridge_mcp.demo.stage import BACKUP, CONVERSATION, KEPT, OUTDATED, Stage, set_stage
from bridge_mcp.demo.transcript import Transcript

__all__ = ["main"]

LONGEST_S = 60.0
END_S = 5.0
"""How long processes may take to end once nobody needs them."""

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
"""Where there is no SIGKILL, SIGTERM ends a process just as hard."""


def main() -> int:
    """Run the demo; the exit code is 0 only if every step was verified."""
    transcript = Transcript()
    began = time.monotonic()
    with set_stage() as stage:
        try:
            loop(play, stage, transcript)
        except NotShown as exc:
            transcript.failed(str(exc), stage.log)
            return 1
        except TimeoutError:
            transcript.failed(f"it is not over after {LONGEST_S:g} s.", stage.log)
            return 1
    if stage.root.exists():
        transcript.failed(f"{stage.root} is still there.", None)
        return 1
    transcript.verified("the temporary folder is gone")
    transcript.end(time.monotonic() - began)
    return 0


async def play(stage: Stage, transcript: Transcript) -> None:
    """The whole play."""
    transcript.title("A bridge, a chat, a tool server and a supervising agent: everything is real")
    transcript.title("but the model, which follows a script and needs no key.")
    with anyio.fail_after(LONGEST_S), stage.log.open("a", encoding="utf-8") as log:
        async with supervised(stage, transcript, log) as supervisor:
            await meet(supervisor)
            await tidy_up(stage, supervisor)
            waiting = await second_wish(stage, supervisor)
            await kill(supervisor)
        async with supervised(stage, transcript, log, dead=supervisor.pid) as again:
            again.cursor = supervisor.cursor
            await resume(stage, again, waiting)
        await nothing_runs(stage, transcript)


# -- the scenes ------------------------------------------------------------------------------------------------


async def meet(supervisor: Supervisor) -> None:
    """Who is there."""
    tell = supervisor.transcript
    tell.scene("A host starts the bridge, and a supervising agent looks around")
    tell.says("host", f"$ bridge-mcp    (process {supervisor.pid}; MCP over its stdin and stdout)")
    channels = (await supervisor.call("list_channels"))["channels"]
    lines = [f"{channel['name']} ({channel['type']}), answered by: {channel['responder']}" for channel in channels]
    tell.says("bridge", "channels: " + "; ".join(lines))
    supervisor.verify(
        "one channel is there, and the assistant answers on it", lines == ["home (local), answered by: assistant"]
    )


async def tidy_up(stage: Stage, supervisor: Supervisor) -> None:
    """A turn with a call that runs by itself and one that waits for the supervisor."""
    tell = supervisor.transcript
    tell.scene("Somebody writes in the chat, and the assistant goes to work")
    await say(stage, tell, "Please tidy up my folder.")
    listed = await supervisor.until("tool.started")
    supervisor.verify("the read-only call ran by itself", listed["cleared_by"] == "read-only")
    request = await supervisor.until("approval.requested")
    supervisor.verify("the destructive call waits, whole", request["arguments"] == {"path": OUTDATED})
    supervisor.verify(f"{OUTDATED} is still there", (stage.files / OUTDATED).exists())

    tell.scene("The supervisor decides")
    await approve(supervisor, request)
    finished = await supervisor.until("turn.finished")
    supervisor.verify(f"{OUTDATED} is really gone", not (stage.files / OUTDATED).exists())
    supervisor.verify(
        f"{KEPT} and {BACKUP} are untouched", (stage.files / KEPT).exists() and (stage.files / BACKUP).exists()
    )
    await read_reply(supervisor, finished)


async def second_wish(stage: Stage, supervisor: Supervisor) -> JSONObject:
    """A second call that waits, this time for longer than its process lives."""
    supervisor.transcript.scene("A second wish, and the bridge is killed while it waits for a verdict")
    await say(stage, supervisor.transcript, f"Now delete {BACKUP}, please.")
    return await supervisor.until("approval.requested")


async def kill(supervisor: Supervisor) -> None:
    """SIGKILL, with no chance to tidy up."""
    supervisor.transcript.says("host", f"$ kill -9 {supervisor.pid}")
    os.kill(supervisor.pid, KILL)
    supervisor.verify("the bridge is dead: it answers no more", await supervisor.is_cut_off())


async def resume(stage: Stage, supervisor: Supervisor, waiting: JSONObject) -> None:
    """What a dead process left behind goes on in the next one."""
    tell = supervisor.transcript
    tell.scene("The host starts the bridge again")
    tell.says("host", f"$ bridge-mcp    (process {supervisor.pid})")
    approvals = (await supervisor.call("list_approvals"))["approvals"]
    same = (waiting["approval"], waiting["digest"])
    unchanged = [approval for approval in approvals if (approval["id"], approval["digest"]) == same]
    tell.says("bridge", "waiting: " + "; ".join(f"{e['tool']} {json.dumps(e['arguments'])}" for e in approvals))
    supervisor.verify("the approval is still there, with the same digest", len(approvals) == len(unchanged) == 1)
    supervisor.verify(f"{BACKUP} is still there", (stage.files / BACKUP).exists())
    await approve(supervisor, waiting)
    finished = await supervisor.until("turn.finished")
    supervisor.verify(f"the turn went on: {BACKUP} is really gone", not (stage.files / BACKUP).exists())
    await read_reply(supervisor, finished)
    effects = [f"delete {OUTDATED}", f"delete {BACKUP}"]
    supervisor.verify("the tool server counted two deletions: nothing ran twice", stage.effects() == effects)


async def nothing_runs(stage: Stage, transcript: Transcript) -> None:
    """Check that no process is left."""
    transcript.scene("The host leaves")
    deadline = anyio.current_time() + END_S
    # Of the end of processes that are not ours nobody tells: we have to look.
    while (running := stage.processes()) and anyio.current_time() < deadline:  # noqa: ASYNC110
        await anyio.sleep(0.05)
    if running:
        raise NotShown(f"processes {running} still run after {END_S:g} s.")
    transcript.verified("no process is left, neither bridge nor tool server")


# -- what several scenes do ------------------------------------------------------------------------------------


async def say(stage: Stage, transcript: Transcript, text: str) -> None:
    """Somebody says something in the chat, from a process of their own."""
    transcript.says("chat", f'$ bridge-mcp say {CONVERSATION} "{text}"')
    command = [
        sys.executable,
        "-P",
        "-m",
        "bridge_mcp",
        "say",
        CONVERSATION,
        text,
        "--name",
        "Ann",
        "--config",
        str(stage.config),
    ]
    result = await anyio.run_process(command, env=get_default_environment() | stage.environment(), check=False)
    if result.returncode:
        raise NotShown(f"saying it failed: {result.stderr.decode(errors='replace').strip()}")


async def approve(supervisor: Supervisor, request: JSONObject) -> None:
    """Approve exactly what was asked."""
    decided = await supervisor.call("approve_call", approval_id=request["approval"], digest=request["digest"])
    supervisor.verify("the verdict is bound to the exact call", decided["approval"]["digest"] == request["digest"])


async def read_reply(supervisor: Supervisor, finished: JSONObject) -> None:
    """Read the chat back as everybody else would."""
    page = await supervisor.call("read_messages", conversation=CONVERSATION, limit=1)
    last = page["messages"][-1]
    supervisor.transcript.says("bridge", f"{last['author']['name']}: {last['text']}  [{last['status']}]")
    supervisor.verify("the reply is in the chat", (last["text"], last["status"]) == (finished["text"], "sent"))
