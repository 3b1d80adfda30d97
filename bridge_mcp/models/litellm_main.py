"""litellm in a process of its own: `python -m bridge_mcp.models.litellm_main`, started by `litellm_process`.

JSON lines in both directions. In: `{"id", "section", "body", "stream", "what"}` is a call of a chat model (`what`:
"reply") or of one that hears ("transcript"), `{"id", "cancel"}` cancels it. Out:
`{}` once litellm is loaded, or `{"failed"}`; for each call `{"id", "text"}` with each piece of its text, then `{"id",
"completion", "cost_usd"}` or `{"id", "failed"}`, the fields of a `ModelFailed`; and `{"log", "text"}` at any time. When
stdin ends, the bridge is gone or wants no more: the process exits at once, even in the middle of loading.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.json_reader import MESSAGE_DEPTH, read_json
from bridge_mcp.models.errors import ProviderError, failed, redact
from bridge_mcp.models.litellm_calls import ask, hear
from bridge_mcp.models.litellm_loading import Litellm, load, stay_at_the_endpoint
from bridge_mcp.models.settings import ModelSettings

__all__ = ["main"]

log = logging.getLogger(__name__)

Tell: TypeAlias = Callable[[Mapping[str, object]], None]


def main() -> None:
    """Load litellm, then answer until stdin ends."""
    out = os.dup(1)
    os.dup2(2, 1)  # litellm prints to stdout: that must not mix with messages
    one_at_a_time = threading.Lock()

    def tell(message: Mapping[str, object]) -> None:
        data = json.dumps(message, default=str).encode() + b"\n"
        with one_at_a_time:
            while data:
                data = data[os.write(out, data) :]

    logging.basicConfig(handlers=[RecordHandler(tell)], format="%(message)s", level=logging.WARNING)
    asyncio.run(serve(tell))


async def serve(tell: Tell) -> None:
    """Answer until the process exits; return at once if litellm cannot be loaded."""
    loop = asyncio.get_running_loop()
    requests: asyncio.Queue[bytes] = asyncio.Queue()

    def read() -> None:
        for line in sys.stdin.buffer:
            loop.call_soon_threadsafe(requests.put_nowait, line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    try:
        library = await asyncio.to_thread(load)
    except ModelFailed as exc:
        tell({"failed": fields_of(exc)})
        return
    stay_at_the_endpoint()
    gc.freeze()
    tell({})
    worker = CallWorker(library, tell)
    while True:
        worker.take(json.loads(await requests.get()))


class CallWorker:
    """Answers requests, each in a task of its own."""

    def __init__(self, library: Litellm, tell: Tell) -> None:
        self._library = library
        self._tell = tell
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def take(self, request: Mapping[str, Any]) -> None:
        """Start a call, or cancel one."""
        number: int = request["id"]
        task = self._tasks.get(number)
        if task is not None:
            task.cancel()
        elif "body" in request:
            self._tasks[number] = task = asyncio.create_task(self._answer(number, request))
            task.add_done_callback(lambda _: self._tasks.pop(number))

    async def _answer(self, number: int, request: Mapping[str, Any]) -> None:
        def grown(text: str) -> None:
            self._tell({"id": number, "text": text})

        settings = ModelSettings(**request["section"])
        try:
            if request["what"] == "transcript":
                completion, cost = await hear(self._library, settings, request["body"])
            else:
                grows = grown if request["stream"] else None
                completion, cost = await ask(self._library, settings, request["body"], grows)
            answer = read_json(json.dumps(completion, default=str), max_depth=MESSAGE_DEPTH, odd="mend")
            self._tell({"id": number, "completion": answer, "cost_usd": cost})
        except ModelFailed as exc:
            self._tell({"id": number, "failed": fields_of(exc)})
        except Exception as exc:  # whatever it is, the bridge waits for an answer
            log.exception("litellm failed unexpectedly")
            error = ProviderError(f"{type(exc).__name__}: {exc}", kind="provider")
            self._tell({"id": number, "failed": fields_of(failed(settings, error))})


def fields_of(failure: ModelFailed) -> dict[str, object]:
    """The fields of which the bridge makes the same error again."""
    return {"message": str(failure).removesuffix(failure.fix).rstrip(), **vars(failure)}


class RecordHandler(logging.Handler):
    """A logging handler that sends records to the bridge."""

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell({"log": record.levelno, "text": redact(self.format(record))})


if __name__ == "__main__":
    main()
