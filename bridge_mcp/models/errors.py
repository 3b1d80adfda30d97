"""Classifies the failure of a model call: a provider's error becomes a `ModelFailed`.

Providers agree on little but HTTP statuses, so a failure is classified in three steps: by the code or type in its body,
by known words of its message, and then by the status. Knows no SDK, and no adapter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal, TypeAlias

from msgspec import Struct, field

from bridge_mcp.core.chat_texts import FOR_THE_OWNER
from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.safe_text import visible
from bridge_mcp.core.secrets import MIN_SECRET
from bridge_mcp.models.settings import ModelSettings

__all__ = ["OF_THE_REQUEST", "Kind", "ProviderError", "connection_error", "failed", "redact", "retry_after"]

Kind: TypeAlias = Literal[
    "bad_key",
    "no_credit",
    "rate_limit",
    "too_long",
    "refused",
    "unknown_model",
    "bad_request",
    "redirected",
    "unreachable",
    "broken",
    "timeout",
    "silent",
    "provider",
    "empty",
    "only_thought",
    "used_up",
    "bad_tools",
]


class Meaning(Struct, frozen=True):
    """What a kind of failure means, and whether it is permanent; `fix` may hold {name}, the model's section."""

    what: str
    for_chat: str
    fix: str
    permanent: bool = False


LATER = "Please try again in a while."
MEANINGS: Mapping[Kind, Meaning] = {
    "bad_key": Meaning(
        "the provider did not accept the API key",
        f"The model did not accept its key. {FOR_THE_OWNER}",
        "Check api_key_env (or api_key_file) of [models.{name}] and what the key may do.",
        permanent=True,
    ),
    "no_credit": Meaning(
        "the provider's account has no credit left",
        f"The model's account has no credit left. {FOR_THE_OWNER}",
        "Top up the account behind the key of [models.{name}], or name fallbacks.",
        permanent=True,
    ),
    "rate_limit": Meaning(
        "the provider's rate limit is reached",
        f"The model is asked too much at once. {LATER}",
        "Wait, or name fallbacks in [models.{name}].",
    ),
    "too_long": Meaning(
        "the conversation does not fit into the model's context window",
        "This conversation has become too long for the model. Clear it to go on.",
        "Clear the conversation, lower history_limit of its channel, or choose a model with a larger window.",
        permanent=True,
    ),
    "refused": Meaning(
        "the provider refused the request because of its content",
        "The model's provider refused to answer this.",
        "Say it in other words, or choose another model.",
        permanent=True,
    ),
    "unknown_model": Meaning(
        "the provider does not know the model",
        f"The model is not known to its provider. {FOR_THE_OWNER}",
        "Check model and base_url of [models.{name}]; litellm names are written provider/model.",
        permanent=True,
    ),
    "bad_request": Meaning(
        "the provider did not take the request",
        f"The model did not take the request. {FOR_THE_OWNER}",
        "Check params of [models.{name}] against the provider's documentation.",
        permanent=True,
    ),
    "redirected": Meaning(
        "the endpoint redirects to another address, to which nothing was sent",
        f"The model is not where it was. {FOR_THE_OWNER}",
        "Set base_url of [models.{name}] to the new address, if you trust it.",
        permanent=True,
    ),
    "unreachable": Meaning(
        "the provider cannot be reached",
        f"The model cannot be reached just now. {LATER}",
        "Check base_url of [models.{name}], that the server runs, and the network.",
    ),
    "broken": Meaning(
        "the connection broke before the whole answer was there",
        f"The model's answer broke off. {LATER}",
        "Nothing of it was used; the call can be made again.",
    ),
    "timeout": Meaning(
        "no answer came in time",
        f"The model took too long to answer. {LATER}",
        "Raise timeout_s of [models.{name}] if the model is just slow.",
    ),
    "silent": Meaning(
        "the provider took the request and then said nothing",
        f"The model does not answer just now. {LATER}",
        "Raise first_token_s of [models.{name}] if the model thinks for so long, or name fallbacks.",
    ),
    "provider": Meaning(
        "the provider failed",
        f"The model's provider has trouble just now. {LATER}",
        "Look at the provider's status page, or name fallbacks in [models.{name}].",
    ),
    "empty": Meaning(
        "the answer held neither text nor calls",
        f"The model gave an empty answer. {LATER}",
        "If it thinks before it speaks, a higher max_tokens in params of [models.{name}] may help.",
    ),
    "only_thought": Meaning(
        "the model thought and then said nothing",
        "The model only thought about this and gave no answer. Please ask again, or in other words.",
        "A higher max_tokens or a lower reasoning effort in params of [models.{name}] may help.",
        permanent=True,
    ),
    "used_up": Meaning(
        "the model used up its tokens thinking, before it gave an answer",
        "The model used up its tokens thinking and gave no answer. Please ask for less at once.",
        "Raise max_tokens or lower the reasoning effort in params of [models.{name}].",
        permanent=True,
    ),
    "bad_tools": Meaning(
        "the provider did not take the tools that it was offered",
        f"The model did not take its tools. {FOR_THE_OWNER}",
        "Look at the tool's schema, or leave the tool out by allowed_tools of its [tool_servers] section.",
        permanent=True,
    ),
}

CODES: Mapping[str, Kind] = {
    "invalid_api_key": "bad_key",
    "authentication_error": "bad_key",
    "permission_error": "bad_key",
    "insufficient_quota": "no_credit",
    "billing_error": "no_credit",
    "credit_balance_exhausted": "no_credit",
    "context_length_exceeded": "too_long",
    "exceed_context_size_error": "too_long",
    "string_above_max_length": "too_long",
    "request_too_large": "too_long",
    "content_policy_violation": "refused",
    "content_filter": "refused",
    "model_not_found": "unknown_model",
    "rate_limit_exceeded": "rate_limit",
    "rate_limit_error": "rate_limit",
    "overloaded_error": "provider",
    "resource_exhausted": "rate_limit",
    "unauthenticated": "bad_key",
    "permission_denied": "bad_key",
}
WORDS: Mapping[Kind, str] = {
    "no_credit": r"current quota|credit balance|insufficient (credit|balance|fund)|billing",
    "too_long": r"context (length|window|size)|prompt is too long|too many (input )?tokens|maximum context",
    "refused": r"content (policy|filter|management)|safety system",
    "bad_key": r"(missing|no|invalid|incorrect) (api.?key|credentials)|missing \w+ api key|locate credentials",
    "unknown_model": r"llm provider not provided|model .{0,80}(does not exist|not found)|no such model",
}
"""Patterns of providers' messages, for failures without a code of their own; the first match counts."""
STATUSES: Mapping[int, Kind] = {
    401: "bad_key",
    402: "no_credit",
    403: "bad_key",
    404: "unknown_model",
    408: "timeout",
    409: "provider",
    413: "too_long",
    429: "rate_limit",
}

GENERAL = frozenset({"invalid_request_error", "badrequesterror", "invalid_argument", "bad_request", "validation_error"})
"""Codes that say no more than that the request is wrong; errors inside a stream have no status either."""

OF_A_NAME = re.compile(r"\bid\b|tool_call_id|\bname\b", re.IGNORECASE)
"""Fields other than a message's content that may be too long."""
OF_TOOLS = re.compile(
    r"\btools?\b|\bfunction '|functions?\[\d|function_declarations|functiondeclaration|input_schema|invalid schema",
    re.IGNORECASE,
)
OF_MESSAGES = re.compile(
    r"tool[_ ]?calls?\b|tool_call_id|tool_use|tool_result|\brole\b|messages[.\[]|functionCall\b", re.I
)
OF_GRAMMARS = re.compile(r"json schema|grammar|pattern must start", re.IGNORECASE)

CONNECTION: Mapping[Kind, frozenset[str]] = {
    "unreachable": frozenset(
        {"ConnectError", "ConnectTimeout", "ProxyError", "UnsupportedProtocol"}
        | {"ClientConnectorError", "ConnectionTimeoutError", "ClientHttpProxyError", "InvalidURL"}
        | {"ClientConnectorCertificateError"}
    ),
    "broken": frozenset(
        {"RemoteProtocolError", "ReadError", "WriteError"} | {"ClientConnectionError", "ClientPayloadError"}
    ),
    "timeout": frozenset({"ReadTimeout", "WriteTimeout", "PoolTimeout", "APITimeoutError", "Timeout"}),
}
"""By the names of an exception's classes: each adapter has its own HTTP library."""

LONGEST_WAIT_S = 900.0
"""A provider that asks to wait longer (until a daily quota is reset) is not retried: the chat gets the error at
once."""

OF_THE_REQUEST: frozenset[str] = frozenset({"too_long", "refused"})
"""Kinds of failure that say nothing about the model's health."""

MAX_ALOUD = 200
"""Characters of a provider's message that a chat is shown."""
MAX_QUOTED = 2000
"""Characters of a provider's message that are kept: some answer with whole web pages."""
KEY_SHAPES = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|r8|hf)[-_][A-Za-z0-9_*-]{6,}"
    r"|\bAIza[A-Za-z0-9_-]{10,}"
    r"|(?<=Bearer )\S+"
    r"|(?<=://)[^/@\s]+(?=@)"
)


class ProviderError(Struct, frozen=True):
    """A failed call, before it is classified. `status` is the HTTP status; None: there was no HTTP response."""

    message: str
    status: int | None = None
    codes: tuple[str, ...] = ()
    """The code and type in the response's body."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    kind: Kind | None = None
    """The kind, if the adapter knows it already."""


def failed(settings: ModelSettings, error: ProviderError, *, aloud: bool = False) -> ModelFailed:
    """The error to raise: it names the section and the model, and quotes the provider without secrets.

    `aloud`: the chat is shown the provider's words too.
    """
    kind = error_kind(error)
    meaning = MEANINGS[kind]
    facts = [f"HTTP {error.status}"] if error.status is not None else []
    detail = ", ".join([*facts, *(code for code in error.codes if code)])
    quoted = redact(error.message.strip(), settings.api_key)
    if len(quoted) > MAX_QUOTED:
        quoted = f"{quoted[:MAX_QUOTED]}… ({len(quoted) - MAX_QUOTED} more characters)"
    message = f"models.{settings.name} ({settings.model}): {meaning.what}"
    message += f" ({detail})" if detail else ""
    message += f": {quoted}" if quoted else ""
    wait = None if meaning.permanent else retry_after(error.headers)
    return ModelFailed(
        message if message.endswith((".", "!", "?")) else f"{message}.",
        fix=meaning.fix.format(name=settings.name),
        permanent=meaning.permanent or (wait is not None and wait > LONGEST_WAIT_S),
        retry_after_s=wait,
        for_chat=f"{meaning.for_chat} It said: {quoted_in_chat(quoted)}" if aloud and quoted else meaning.for_chat,
        kind=kind,
        aloud=aloud,
    )


def quoted_in_chat(quoted: str) -> str:
    """A provider's words for a chat: on one line, at most `MAX_ALOUD` characters."""
    line = " ".join(visible(quoted).split())
    return line if len(line) <= MAX_ALOUD else f"{line[:MAX_ALOUD]}…"


def error_kind(error: ProviderError) -> Kind:
    """The kind of a failure: by its codes, its message, its status, in this order."""
    if error.kind is not None:
        return error.kind
    status, codes = error.status, [code.lower() for code in error.codes]
    if status is not None and 300 <= status < 400:
        return "redirected"
    if "string_above_max_length" in codes and OF_A_NAME.search(error.message):
        return "bad_request"
    for code in codes:
        if code in CODES:
            return CODES[code]
    if about_tools(error.message, status):
        return "bad_tools"
    if status is None or status < 500:
        for kind, words in WORDS.items():
            if re.search(words, error.message, re.IGNORECASE):
                return kind
    if status is None:
        return "bad_request" if not GENERAL.isdisjoint(codes) else "provider"
    return STATUSES.get(status, "bad_request" if 400 <= status < 500 else "provider")


def about_tools(message: str, status: int | None) -> bool:
    """Whether a refusal is about the definitions of tools, and not about calls or their order."""
    if status in (400, 422) and OF_TOOLS.search(message) and not OF_MESSAGES.search(message):
        return True
    return status in (400, 422, 500) and OF_GRAMMARS.search(message) is not None


def redact(text: str, *secrets: str) -> str:
    """The text without these secrets, and without what looks like a key, a bearer token or a password in a URL."""
    for secret in secrets:
        if len(secret) >= MIN_SECRET:
            text = text.replace(secret, "[key]")
    return KEY_SHAPES.sub("[key]", text)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of `retry-after-ms` or `retry-after` (seconds or a date, RFC 9110 10.2.3); None: neither.

    A date is compared with the response's own `date`, so that neither side's clock matters.
    """
    lowered = {name.lower(): value.strip() for name, value in headers.items()}
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = lowered.get(name, "")
        if re.fullmatch(r"\d+(\.\d+)?", value):
            return float(value) * unit
    due = http_date(lowered.get("retry-after", ""))
    if due is None:
        return None
    now = http_date(lowered.get("date", "")) or datetime.now(UTC)
    return max(0.0, (due - now).total_seconds())


def http_date(text: str) -> datetime | None:
    """The time that an HTTP date gives, or None."""
    try:
        parsed = parsedate_to_datetime(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def connection_error(error: BaseException) -> ProviderError | None:
    """The connection error among the causes of an SDK's error; None if there was a response."""
    chain = list(causes(error))
    for kind, names in CONNECTION.items():
        for cause in reversed(chain):
            if not names.isdisjoint(kind_of_error.__name__ for kind_of_error in type(cause).__mro__):
                name = type(cause).__name__
                return ProviderError(f"{name}: {cause}" if str(cause) else name, kind=kind)
    return None


def causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and its causes, nearest first."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
