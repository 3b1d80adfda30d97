"""From an HTTP request to a `Call`: query string, form, multipart or JSON, all of which the Bot API takes.

https://core.telegram.org/bots/api#making-requests. Knows HTTP, not the methods.
"""

from __future__ import annotations

import json
from typing import Any, cast

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from tests.servers.telegram.call import Call, Upload
from tests.servers.telegram.files import MAX_UPLOAD
from tests.servers.telegram.refusals import Refusal, bad_request

__all__ = ["read_call"]

OVERHEAD = 1024 * 1024
"""What a request may be larger than the file in it."""


async def read_call(method: str, request: Request) -> Call:
    """The whole request, read. Raises `Refusal`, and starlette's ClientDisconnect when the sender goes away."""
    args: dict[str, str] = dict(request.query_params)
    uploads: dict[str, Upload] = {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if int(request.headers.get("content-length") or 0) > MAX_UPLOAD + OVERHEAD:
        raise Refusal(413, "Request Entity Too Large")
    if kind == "application/json":
        args |= read_json(await request.body())
    elif kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        try:
            form = await request.form(max_part_size=OVERHEAD)
        except MultiPartException as problem:
            raise bad_request(f"can't parse the request: {problem.message}") from problem
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                uploads[name] = Upload(value.filename or "", value.content_type or "", await value.read())
            else:
                args[name] = value
        await form.close()
    else:
        await request.body()
    return Call(method.lower(), args, uploads)


def read_json(body: bytes) -> dict[str, str]:
    """A JSON object, its values as texts: what is no text stands there as JSON."""
    if not body:
        return {}
    try:
        read: object = json.loads(body)
    except ValueError:
        raise bad_request("can't parse JSON object") from None
    if not isinstance(read, dict):
        raise bad_request("object expected in the body of the request")
    given = cast("dict[str, Any]", read)
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in given.items()
        if value is not None
    }
