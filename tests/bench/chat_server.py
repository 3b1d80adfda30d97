"""A chat completions server that costs as little as can be: it echoes, checks nothing and remembers nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from tests.servers.model_apis.answers import Answer
from tests.servers.model_apis.openai_server import OpenAIServer, ReceivedRequest


class QuickServer(OpenAIServer):
    """The test kit's server without its strictness."""

    def _problems(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[str, ...]:
        return ()

    def _choose(self, request: ReceivedRequest) -> Answer:
        return self._respond(request)


if __name__ == "__main__":
    server = QuickServer()
    sys.stdout.write(json.dumps({"url": server.url}) + "\n")
    sys.stdout.flush()
    server.serve()
