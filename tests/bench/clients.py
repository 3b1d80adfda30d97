"""Clients that cost next to nothing, so that what they measure is the server: bytes out, bytes in.

The published Python client takes about as long as a server for a call, and would hide half of every difference.
"""

from __future__ import annotations

import os
import re
import selectors
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import IO, Any, Protocol, cast

from tests.bench import speech
from tests.bench.figures import Round
from tests.bench.speech import Call, Era

__all__ = ["Client", "Pipes", "Posts"]

ANSWER_S = 30.0
"""How long any answer may take before the run fails."""

ID = re.compile(rb'"id": ?(\d+)')


class Client(Protocol):
    """Makes calls of one server."""

    def ask(self, call: Call) -> bytes:
        """One call; the JSON-RPC message that answers it."""
        ...

    def measure(self, call: Call, calls: int, callers: int) -> Round:
        """Make this many calls, `callers` of them at any time."""
        ...


def checked(answer: bytes) -> bytes:
    """Let pass an answer that is no error: a refusal is quick, and would be measured as a feat."""
    if b'"error":{' in answer or b'"isError":true' in answer:
        raise RuntimeError(f"a call was refused: {answer[:400].decode(errors='replace')}")
    return answer


class Pipes:
    """A server as a child process, one line a message. At `callers` > 1 the requests share the pipe, as a host's do."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], era: Era) -> None:
        self.era: Era = era
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(environment), bufsize=-1
        )
        self._out = cast("IO[bytes]", self.process.stdin).fileno()
        self._in = cast("IO[bytes]", self.process.stdout)
        self._id = 0
        self.ask(speech.handshake(era))
        self.opened = time.perf_counter()
        if era == "handshake":
            os.write(self._out, b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')

    def ask(self, call: Call) -> bytes:
        self._id += 1
        os.write(self._out, speech.line(call, self.era) % self._id)
        return checked(self._line())

    def measure(self, call: Call, calls: int, callers: int) -> Round:
        request = speech.line(call, self.era)
        sent: dict[int, float] = {}
        each: list[float] = []
        first, last = self._id + 1, self._id + calls
        self._id = last
        now = time.perf_counter
        begun = now()
        for number in range(first, min(first + callers, last + 1)):
            sent[number] = now()
            os.write(self._out, request % number)
        following = first + len(sent)
        while sent:
            answer = self._line()
            at = now()
            found = ID.search(answer)
            number = int(found[1]) if found else 0
            each.append(at - sent.pop(number))
            if following <= last:
                sent[following] = now()
                os.write(self._out, request % following)
                following += 1
            checked(answer)
        return Round(each, now() - begun)

    def _line(self) -> bytes:
        """The next answer; notices in between are passed over."""
        while True:
            found = self._in.readline()
            if not found:
                raise RuntimeError(f"the server {self.process.args!r} has gone: {self.process.wait()}")
            if found.startswith((b'{"jsonrpc":"2.0","id"', b'{"jsonrpc": "2.0", "id"')):
                return found

    def close(self) -> None:
        """Leave, as a host does: the end of input."""
        cast("IO[bytes]", self.process.stdin).close()
        self._in.close()
        try:
            self.process.wait(ANSWER_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Posts:
    """A server over Streamable HTTP, on connections that are kept: one for each caller."""

    def __init__(self, port: int, era: Era, token: str = "") -> None:
        self.era: Era = era
        self._port = port
        self._token = token
        self._id = 0
        self._session = ""
        self._sockets: list[socket.socket] = []
        opening = self._exchange(speech.handshake(era))
        found = re.search(rb"(?i)\r\nmcp-session-id: *([^\r]+)", opening)
        if era == "handshake" and found:
            self._session = found[1].decode()
            self._exchange(Call("notifications/initialized"), notice=True)

    def ask(self, call: Call) -> bytes:
        return message_in(self._exchange(call))

    def measure(self, call: Call, calls: int, callers: int) -> Round:
        request = self._request(call)
        length = body_length(request)
        now = time.perf_counter
        each: list[float] = []
        waiting: dict[socket.socket, tuple[float, bytearray]] = {}
        answers: list[bytes] = []
        left = calls
        with selectors.DefaultSelector() as ready:
            sockets = self._connections(callers)
            begun = now()
            for connection in sockets:
                ready.register(connection, selectors.EVENT_READ)
                waiting[connection] = (now(), bytearray())
                connection.sendall(self._numbered(request, length))
                left -= 1
            while waiting:
                events = ready.select(ANSWER_S)
                if not events:
                    raise RuntimeError("the server does not answer")
                for key, _ in events:
                    connection = cast("socket.socket", key.fileobj)
                    since, answer = waiting[connection]
                    answer += received(connection)
                    if not is_whole(answer):
                        continue
                    each.append(now() - since)
                    answers.append(bytes(answer))
                    if left:
                        left -= 1
                        waiting[connection] = (now(), bytearray())
                        connection.sendall(self._numbered(request, length))
                    else:
                        del waiting[connection]
            whole = now() - begun
        for answer in answers:
            checked(message_in(answer))
        return Round(each, whole)

    def close(self) -> None:
        for each in self._sockets:
            each.close()

    def _connections(self, count: int) -> list[socket.socket]:
        """So many open connections; those that the server has closed in a long pause are opened again."""
        self._sockets = [each for each in self._sockets if is_open(each)]
        while len(self._sockets) < count:
            each = socket.create_connection(("127.0.0.1", self._port), ANSWER_S)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets.append(each)
        return self._sockets[:count]

    def _exchange(self, call: Call, *, notice: bool = False) -> bytes:
        """One POST on the first connection; the whole response."""
        (connection,) = self._connections(1)
        request = self._request(call)
        if notice:
            text = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
            request = request.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + text
            connection.sendall(request.replace(b"Content-Length: %d", b"Content-Length: " + str(len(text)).encode()))
        else:
            connection.sendall(self._numbered(request, body_length(request)))
        answer = bytearray()
        while not is_whole(answer):
            answer += received(connection)
        return bytes(answer)

    def _request(self, call: Call) -> bytes:
        """The POST, with `%d` for the length of its body and for the request's id."""
        fields: dict[str, Any] = {"Host": f"127.0.0.1:{self._port}"}
        fields |= speech.headers(call, self.era, self._session)
        fields |= {"Authorization": f"Bearer {self._token}"} if self._token else {}
        head = "POST /mcp HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return head.encode() + b"Content-Length: %d\r\n\r\n" + speech.body(call, self.era)

    def _numbered(self, request: bytes, length: int) -> bytes:
        self._id += 1
        return request % (length + len(str(self._id)), self._id)


def body_length(request: bytes) -> int:
    """The length of a request's body without its id."""
    return len(request.partition(b"\r\n\r\n")[2] % 0) - 1


def is_open(connection: socket.socket) -> bool:
    """Whether a connection on which nothing is under way can still be used; one that cannot is closed."""
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        connection.settimeout(ANSWER_S)
        return True
    except OSError:
        pass  # reset by the peer: closed as well
    connection.close()
    return False


def received(connection: socket.socket) -> bytes:
    found = connection.recv(65_536)
    if not found:
        raise RuntimeError("the server closed a connection that was to be kept")
    return found


def is_whole(response: bytearray) -> bool:
    """Whether a response has come to its end."""
    head, end, rest = response.partition(b"\r\n\r\n")
    if not end:
        return False
    at = head.lower().find(b"content-length:")
    if at < 0:
        return rest.endswith(b"0\r\n\r\n")
    return len(rest) >= int(head[at + 15 :].split(b"\r\n", 1)[0])


def message_in(response: bytes) -> bytes:
    """The JSON-RPC message of a response, whether it came as JSON or as the only event of a stream.

    Raises:
        RuntimeError: it is no answer.
    """
    head, _, rest = response.partition(b"\r\n\r\n")
    if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202")):
        raise RuntimeError(f"a request was refused: {response[:400].decode(errors='replace')}")
    return rest[rest.find(b"{") : rest.rfind(b"}") + 1]
