"""Plays a Telegram case: the installed command, a Bot API server on loopback and a scripted model.

A case is a JSON object:

    about            what it shows
    steps            what happens, in order; each is an object with one key, see `Player.steps`
    people, chats    who and what there is: names, and {name: {kind, forum, username, bot, topics: {id: name}}}
    paired           who is let in; by default everybody
    replies, rule    what the model answers, and what it refuses: see `scripted_endpoint`; `model_wait` seconds each
    channel, model, more   lines for those tables of bridge.toml, and for its end; `$DIR` is the case's folder,
                     `$HERE` where `nested.py` is, `$PY` the interpreter
    responder, chat_context, privacy        settings of the channel and of the bot
    last_only, show_system, show_drafts     what the transcript tells
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

from tests.cases.inner_bridge import InnerBridge
from tests.cases.piped_bridge import PipedBridge
from tests.cases.scripted_endpoint import ScriptedEndpoint
from tests.cases.telegram_stage import Stage
from tests.cases.transcripts import Transcript, short
from tests.servers.telegram import TOKEN, Fault, Received, Refusal, TelegramServer, png

__all__ = ["Player", "play"]

Object: TypeAlias = dict[str, Any]

UNTOLD = frozenset(
    "getupdates getme getwebhookinfo setmycommands deletewebhook sendchataction getmycommands sendmessagedraft".split()
)
"""Requests of the bot that a transcript leaves out."""
TOLD = (
    "chat_id", "message_thread_id", "text", "caption", "entities", "caption_entities", "reply_parameters",
    "message_id", "file_id", "media", "reaction",
)  # fmt: skip
OF_A_MESSAGE = frozenset(
    "id text author quote reply_to forwarded_from status delivery reason attachments files edited direction late "
    "reactions".split()
)
"""What is told of a message that a tool answers."""
PATIENCE_S = 10.0
QUIET_S = 40.0
"""The most that a step waits until nothing happens any more."""
LATE_S = 5.0
"""How long a call of an MCP tool waits at most while the bridge has not taken all updates."""
SERVERS_S = 20.0
SERVER = re.compile(r"^\[tool_servers\.([\w-]+)\]", re.MULTILINE)
BESIDE = Path(__file__).with_name("telegram")
"""Where the cases are, and a nested server for them."""

CONFIG = """\
[models.default]
model = "openai/m"
base_url = "{url}"
api_key_env = "FAKE_KEY"
{model}
[channels.tg]
type = "telegram"
token_env = "BOT_TOKEN"
api_base_url = "{telegram}"
poll_timeout_s = 5
responder = "{responder}"
model = "default"
chat_context = {context}
{channel}
{more}
"""


def play(path: Path) -> str:
    """Play a file; its transcript."""
    case = cast("Object", json.loads(path.read_text("utf-8")))
    tell = Transcript()
    with (
        tempfile.TemporaryDirectory(prefix=f"{path.stem}-") as folder,
        TelegramServer(TOKEN, privacy=case.get("privacy", True)) as server,
    ):
        Player(server, case, Path(folder), tell).play()
    return f"### {path.name}: {case['about']}\n{tell.text()}"


class Player:
    """Plays one case.

    Args:
        server: up.
        case: the file.
        folder: an empty one.
        tell: where what happens is told.
        bridge: what is driven: the installed command, or a bridge within this process.
    """

    def __init__(
        self,
        server: TelegramServer,
        case: Object,
        folder: Path,
        tell: Transcript,
        bridge: type[PipedBridge | InnerBridge] = PipedBridge,
    ) -> None:
        self._server, self._case, self._tell = server, case, tell
        self.answers: list[Object] = []
        """What the MCP tools of the case answered, in order."""
        self.stage = Stage(server, case, tell)
        self.model = ScriptedEndpoint(
            tell,
            wait_s=case.get("model_wait", 0.05),
            rule=case.get("rule", ""),
            last_only=bool(case.get("last_only")),
            show_system=bool(case.get("show_system")),
        )
        config = config_of(case, self.model.url, server.url)
        for name, value in {"$PY": sys.executable, "$HERE": str(BESIDE), "$DIR": str(folder)}.items():
            config = config.replace(name, value)
        self.bridge = bridge(folder, config, {"FAKE_KEY": "sk-x", "BOT_TOKEN": TOKEN})
        self._ticket = ""
        self._over = threading.Event()
        self._steps: Mapping[str, Callable[[Any], None]] = {
            # messages and updates
            "say": lambda said: self._say([said]),
            "burst": self._say,
            "raw": lambda raw: self.stage.push(raw["kind"], self._fill(raw["payload"])),
            "live": lambda live: self.stage.live(live["of"], live["count"], live.get("every", 5)),
            # what people and Telegram do
            "do": self.stage.do,
            "press": self.stage.press,
            "fault": self._fault,
            # the model, and MCP clients: [tool, arguments, most characters told]
            "script": self._script,
            "mcp": self._mcp,
            "outbox": self._outbox,
            # time
            "quiet": lambda silence_s: self._tell.wait_until_quiet(silence_s, QUIET_S, self._idle),
            "sleep": time.sleep,
            "wait_models": lambda count: wait(lambda: len(self.model.requests) >= count),
            "wait_approvals": lambda count: wait(lambda: self.bridge.call("list_approvals").get("count", 0) >= count),
            "drained": self._drained,
            # the transcript
            "note": lambda note: self._tell(f"NOTE {note}"),
            "shown": lambda shown: self.stage.show(shown["chat"], shown.get("last", 1)),
            "bot_label": self._label,
            "store": self._store,
        }

    @property
    def steps(self) -> frozenset[str]:
        """The steps there are."""
        return frozenset(self._steps)

    def play(self) -> None:
        """Start, let everybody in, and do one step after the other."""
        watching = threading.Thread(target=self._watch, daemon=True)
        try:
            self.bridge.start()
            for name in self._case.get("paired", [*self.stage.users, *self.stage.chats]):
                chat = str(self.stage.chat(name).id)
                answer = self.bridge.call("pair_chat", channel="tg", chat=chat, role="approver")
                if "ERROR" in answer:
                    self._tell(f"PAIR {name}: {answer}")
            watching.start()
            wait(lambda: self._server.polling)
            # A turn waits for tool servers too, but then the steps of the case would run ahead of it.
            for name in SERVER.findall(self._case.get("more", "")):
                wait(lambda name=name: f"{name}__" in json.dumps(self.bridge.call("list_tools")), SERVERS_S)
            self.model.script = list(self._case.get("replies", []))
            for step in self._case["steps"]:
                ((name, value),) = step.items()
                if name not in self._steps:
                    raise ValueError(f"There is no step {name!r}; there are: {', '.join(sorted(self._steps))}")
                self._steps[name](value)
        finally:
            time.sleep(0.1)
            self._over.set()
            self.bridge.stop()
            if errors := self.bridge.errors.read_text("utf-8", "replace").strip():
                self._tell(f"STDERR {short(errors)}")
            self.model.close()

    def _watch(self) -> None:
        """Tell what the bot asks of Telegram."""
        seen = 0
        untold = UNTOLD - {"sendmessagedraft"} if self._case.get("show_drafts") else UNTOLD
        while not self._over.is_set():
            requests = self._server.requests
            for request in requests[seen:]:
                if request.method.lower() not in untold:
                    self._tell(told(request))
            seen = len(requests)
            time.sleep(0.02)

    def _idle(self) -> bool:
        """Have the bridge run for a moment; whether it took all updates."""
        self.bridge.breathe()
        return not self._server.pending

    # -- steps -------------------------------------------------------------------------------------------------

    def _fill(self, value: Any) -> Any:
        """A value with everything in it filled in: what the stage knows, and ids that only the bridge knows."""
        text = json.dumps(self.stage.fill(value))
        text = text.replace("$outbox", str(self.bridge.state / "outbox")).replace("$ticket", self._ticket)
        if "$approval" in text:
            found = self.bridge.call("list_approvals").get("approvals") or [{"id": "none"}]
            text = text.replace("$approval", str(found[0]["id"]))
        for label in self.stage.labels:
            if f"$msg:{label}" in text:
                text = text.replace(f"$msg:{label}", self._message_id(label))
        return json.loads(text)

    def _message_id(self, label: str) -> str:
        """The bridge's id of a message."""
        state = self.stage.labels[label]
        conversation = f"tg/{state.chat.id}"
        found = self.bridge.call("read_messages", conversation=conversation, limit=200)
        for message in found.get("messages", []):
            if str(message.get("platform_id") or message.get("key") or "") == str(state.id):
                return str(message["id"])
        return f"{conversation}#?"

    def _say(self, said: list[Object]) -> None:
        self.stage.say(*(each | {"message": self._fill(each["message"])} for each in said))

    def _mcp(self, wanted: list[Any]) -> None:
        tool, arguments, *more = wanted
        deadline = time.monotonic() + LATE_S
        while time.monotonic() < deadline and not self._idle():  # what came in before is in the answer
            time.sleep(0.01)
        answer = self.bridge.call(tool, **self._fill(arguments))
        self.answers.append(answer)
        if str(answer.get("id", "")).startswith("question:"):
            self._ticket = str(answer["id"])
        most = more[0] if more else 1_800
        self._tell(f"MCP {tool} {short(arguments, 200)} => {short(slim(answer), most)}")

    def _script(self, replies: list[Any]) -> None:
        self.model.script = list(replies)

    def _outbox(self, file: Object) -> None:
        box = self.bridge.state / "outbox"
        box.mkdir(parents=True, exist_ok=True)
        data = png(*file["png"]) if "png" in file else file["text"].encode()
        (box / file["name"]).write_bytes(data)

    def _fault(self, fault: Object) -> None:
        parameters = {"retry_after": fault["retry_after"]} if fault.get("retry_after") else {}
        refusal = Refusal(fault["code"], fault["description"], parameters)
        method, times = fault.get("method", "sendMessage"), fault.get("times", 1)
        self._server.fault(Fault(answer=refusal, effect=False), method, times=times)
        self._tell(f"FAULT {fault}")

    def _label(self, wanted: Object) -> None:
        (self.stage.labels[wanted["as"]],) = self.stage.standing(wanted["chat"], 1)

    def _drained(self, _: object) -> None:
        wait(lambda: not self._server.pending, most_s=60.0)
        self._tell("all updates were taken")

    def _store(self, _: object) -> None:
        sizes = [(file.name, file.stat().st_size) for file in self.bridge.state.glob("*") if file.is_file()]
        self._tell(f"STORE {[(name, size) for name, size in sizes if size > 1_000]}")


def config_of(case: Object, model: str, telegram: str) -> str:
    """The config of a case."""
    return CONFIG.format(
        url=model,
        telegram=telegram,
        model=case.get("model", ""),
        responder=case.get("responder", "assistant"),
        context=str(case.get("chat_context", True)).lower(),
        channel=case.get("channel", ""),
        more=case.get("more", ""),
    )


def wait(holds: Callable[[], bool], most_s: float = PATIENCE_S) -> None:
    """Wait until something holds; the transcript shows it where it never does."""
    end = time.monotonic() + most_s
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)


def told(request: Received) -> str:
    """A request of the bot in one line."""
    parameters = {key: value for key, value in request.json.items() if key in TOLD}
    files = f" files={request.uploads}" if request.uploads else ""
    refused = f" => {request.status} {request.description}" if request.status not in (0, 200) else ""
    return f"BOT {request.method} {short(parameters, 700)}{files}{refused}"


def slim(answer: Object) -> Any:
    """Of an answer with messages, those, without what is empty."""
    if "messages" not in answer:
        return answer
    messages: list[Object] = answer["messages"]
    return [{key: each[key] for key in each if key in OF_A_MESSAGE and each[key]} for each in messages]
