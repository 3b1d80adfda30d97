"""Results of requests in the form that both eras of the protocol take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mcp_types as types

from bridge_mcp.server.tools.answers import Answer
from bridge_mcp.server.tools.json_text import compact
from bridge_mcp.server.tools.tool import ContentAnswer

__all__ = ["complete_result", "result", "shows_files", "tool_result"]


def shows_files(params: types.CallToolRequestParams) -> bool:
    """Whether a call asks for the files of its result as content."""
    return (params.arguments or {}).get("show_files") is True


def tool_result(answer: Answer | ContentAnswer) -> dict[str, Any]:
    """An answer as a tool's result."""
    illustrated = answer if isinstance(answer, ContentAnswer) else ContentAnswer(answer)
    body = illustrated.answer.as_json()
    if illustrated.blocks or illustrated.text_only:
        return complete_result(content=[text_block(compact(body)), *illustrated.blocks], isError=illustrated.is_error)
    return result(compact(body), body, is_error=illustrated.is_error)


def result(text: str, structured: Mapping[str, Any], *, is_error: bool = False) -> dict[str, Any]:
    """A tool's result, complete as text and as structured content: hosts drop one or the other."""
    return complete_result(content=[text_block(text)], structuredContent=structured, isError=is_error)


def text_block(text: str) -> dict[str, str]:
    """A text as MCP content."""
    return {"type": "text", "text": text}


def complete_result(**fields: Any) -> dict[str, Any]:
    """A result with `resultType: complete`, which 2026-07-28 requires; older eras ignore the field."""
    return {"resultType": "complete", **fields}
