"""A server on loopback that turns speech into text, and texts into speech, as OpenAI's `/v1/audio` does.

Written from OpenAI's API reference ("Create transcription", "Create speech"): multipart form data with `file` and
`model`, where the format of the file is known by its ending, and files have at most 25 MB; JSON with at most 4,096
characters of `input`. It refuses what the real one refuses.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import BodyPartReader, web

__all__ = ["SpeechServer", "serving"]

ENDINGS = {"flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm"}
MAX_FILE, MAX_INPUT = 25_000_000, 4_096


@dataclass
class SpeechServer:
    """What came in, and what is answered next: (status, body), or a text for a plain transcript."""

    key: str = "sk-speech"
    url: str = ""
    answers: deque[tuple[int, object]] = field(default_factory=deque[tuple[int, object]])
    requests: list[Mapping[str, bytes | str]] = field(default_factory=list[Mapping[str, bytes | str]])

    spoken: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])
    """What was to be spoken."""
    voices: deque[tuple[int, bytes]] = field(default_factory=deque[tuple[int, bytes]])
    """What is answered next instead of speech: (status, body)."""

    async def speak(self, request: web.Request) -> web.Response:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return web.json_response(refusal("Incorrect API key provided."), status=401)
        if request.content_type != "application/json":
            return web.json_response(refusal("Invalid body: expected application/json"), status=400)
        told = await request.json()
        if not (told.get("model") and told.get("voice") and told.get("input")):
            return web.json_response(refusal("Missing required parameter"), status=400)
        if len(told["input"]) > MAX_INPUT:
            return web.json_response(refusal("string_above_max_length"), status=400)
        self.spoken.append(told)
        status, body = self.voices.popleft() if self.voices else (200, b"OggS spoken")
        return web.Response(status=status, body=body, content_type="audio/ogg" if status == 200 else "application/json")

    def says(self, text: str, seconds: float = 30.0) -> None:
        usage = {"type": "duration", "seconds": seconds}
        self.answers.append((200, {"text": text, "usage": usage}))

    def fails(self, status: int, message: str) -> None:
        self.answers.append((status, refusal(message)))

    async def transcribe(self, request: web.Request) -> web.Response:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return web.json_response(refusal("Incorrect API key provided."), status=401)
        form: dict[str, bytes | str] = {}
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            name = part.name or ""
            if name == "file":
                form["file"], form["filename"] = bytes(await part.read()), part.filename or ""
            else:
                form[name] = await part.text()
        self.requests.append(form)
        ending = str(form.get("filename", "")).rpartition(".")[2].lower()
        if "file" not in form or not form.get("model"):
            return web.json_response(refusal("you must provide a model parameter and a file"), status=400)
        if ending not in ENDINGS:
            return web.json_response(
                refusal(f"Unrecognized file format. Supported formats: {sorted(ENDINGS)}"), status=400
            )
        if len(form["file"]) > MAX_FILE:
            return web.json_response(refusal("Maximum content size limit (26214400) exceeded"), status=413)
        status, body = self.answers.popleft() if self.answers else (200, {"text": "hello"})
        return web.json_response(body, status=status)


def refusal(message: str) -> dict[str, object]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


@asynccontextmanager
async def serving() -> AsyncGenerator[SpeechServer]:
    """The server, for the time of a block."""
    server = SpeechServer()
    app = web.Application(client_max_size=2 * MAX_FILE)
    app.router.add_post("/v1/audio/transcriptions", server.transcribe)
    app.router.add_post("/v1/audio/speech", server.speak)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()
