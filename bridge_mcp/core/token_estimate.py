"""Estimates the tokens of a request: quickly, and rather too many than too few.

The rule: a byte of UTF-8 is 0.4 tokens, and 0.65 where it is a digit, a mark or a line's end; an image is 1,600; each
message, call and tool has some for what stands around it. Measured with cl100k: prose has 3.3 to 4.1 bytes a token,
Chinese 2.6, JSON of numbers 2.1, rows of numbers 1.7; only text without words (base64, emoji) has fewer than the rule
supposes. What is shown of a text file or a PDF is guessed by its size. Then experience corrects it: a `Started` holds
the estimate of its request, the `Replied` behind it what the provider counted, and `calibration` is the worst of their
latest quotients.
"""

from __future__ import annotations

from collections.abc import Iterable

from bridge_mcp.core.attachments import is_pdf, is_text
from bridge_mcp.core.entries import Attachment, Call, Failed, Log, Replied, Started
from bridge_mcp.core.tools import ToolSpec

__all__ = [
    "IMAGE_TOKENS",
    "TEXT_SHOWN",
    "calibration",
    "calls_tokens",
    "ceiling",
    "files_tokens",
    "tokens_of",
    "tools_tokens",
]

DENSE = b"0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\n\r\t"
"""Bytes that make many tokens."""

IMAGE_TOKENS = 1600
FILE_TOKENS = 60
"""Tokens of the note for a file."""

TEXT_SHOWN = 48_000
"""Characters of a text file that are shown; some 12,000 tokens."""

PDF_BYTES = 30
"""Bytes of a PDF for one token: between plain text (10 and less) and scanned pages (100 and more)."""
MIN_PDF, MAX_PDF, UNKNOWN_PDF = 2_000, 60_000, 10_000

AROUND = 16
"""Tokens around the text of a message, a call or a tool."""

LATEST = 8
"""Replies that the calibration looks at."""

LATELY = 1_000
"""Entries that the calibration reads, so that its cost does not grow with the log."""

LOWEST, HIGHEST = 0.5, 4.0
"""Bounds of the calibration: a provider that counts otherwise (without what it had cached) must not mislead it."""

MARGIN = 1.05

SHRINK = 0.6
"""After a provider found a request too long, how much of its estimate the next one may have."""


def tokens_of(text: str) -> int:
    """The estimate for a text, without what stands around it."""
    data = text.encode("utf-8", "replace")
    plain = len(data.translate(None, DENSE))
    return (40 * plain + 65 * (len(data) - plain)) // 100 + 1


def calls_tokens(calls: Iterable[Call]) -> int:
    """The estimate for the calls of one message."""
    return sum(tokens_of(call.tool) + tokens_of(call.arguments) + AROUND for call in calls)


def files_tokens(attachments: Iterable[Attachment], *, texts: bool = True) -> int:
    """The estimate for the files of one message, each counted as one that is shown; text files only with `texts`."""
    return sum(file_tokens(attachment, texts) for attachment in attachments)


def file_tokens(attachment: Attachment, texts: bool) -> int:
    if attachment.kind == "image" and not is_text(attachment):
        return IMAGE_TOKENS
    if is_pdf(attachment):
        size = attachment.size
        return UNKNOWN_PDF if size is None else min(MAX_PDF, max(MIN_PDF, size // PDF_BYTES))
    if texts and is_text(attachment):
        size = TEXT_SHOWN if attachment.size is None else min(attachment.size, TEXT_SHOWN)
        return FILE_TOKENS + 45 * size // 100
    return FILE_TOKENS


def tools_tokens(tools: Iterable[ToolSpec]) -> int:
    """The estimate for the tools on offer."""
    return sum(tokens_of(t.name) + tokens_of(t.description) + tokens_of(t.schema) + AROUND for t in tools)


def calibration(log: Log) -> float:
    """The factor for estimates, from the provider's latest counts; 1 without any."""
    counted: dict[int, int] = {}
    quotients: list[float] = []
    for logged in reversed(log[-LATELY:]):
        match logged.entry:
            case Replied(usage=usage) as entry if usage.input_tokens > 0:
                counted[entry.started] = usage.input_tokens
            case Started(effect="model", estimate=estimate) if estimate > 0 and logged.seq in counted:
                quotients.append(counted.pop(logged.seq) / estimate)
                if len(quotients) == LATEST:
                    break
            case _:
                pass
    return min(HIGHEST, max(LOWEST, max(quotients) * MARGIN)) if quotients else 1.0


def ceiling(log: Log) -> float:
    """The highest estimate worth trying, from requests that a provider refused as too long; infinite without any."""
    refused: set[int] = set()
    lowest = float("inf")
    lately = log[-LATELY:]
    if not any(isinstance(logged.entry, Failed) for logged in lately):
        return lowest
    for logged in reversed(lately):
        match logged.entry:
            case Failed(too_long=True, ref=ref):
                refused.add(ref)
            case Started(estimate=estimate) if logged.seq in refused and estimate > 0:
                lowest = min(lowest, estimate * SHRINK)
            case _:
                pass
    return lowest
