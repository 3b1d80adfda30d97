"""A turn from the inside: which model call, tool call, approval and delivery took how long, as one trace.

    python -m examples.turn_trace

With `[telemetry]` in bridge.toml (and the extra `otel`) the very same spans go to a collector. Here nothing is sent:
they are computed from the conversation's log, as for a collector, and printed as a tree. It takes no key.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence

import anyio

from bridge_mcp.assembly import open_bridge
from bridge_mcp.config import load_config
from bridge_mcp.core.spans import Span, spans_of
from bridge_mcp.core.unreadable import UnreadableEntry
from bridge_mcp.service import OWNER, Bridge
from examples.embedding import decide_next
from examples.sandbox import sandbox

SHOWN = ("gen_ai.usage.input_tokens", "bridge.outcome", "bridge.verdict", "bridge.decided_by")
"""The attributes that stand behind a span's name."""


async def main() -> int:
    with sandbox() as box:
        async with open_bridge(load_config(box.config, env=box.environment)) as assembly:
            spans = await traced_turn(assembly.bridge)
    roots = [span for span in spans if not span.parent]
    for root in roots:
        print(f"trace {root.trace}")
        show(root, children_of(spans))
    names = {span.name.partition(" ")[0] for span in spans}
    whole = {"invoke_agent", "chat", "execute_tool", "approval"} <= names
    return 0 if len(roots) == len({span.trace for span in spans}) == 1 and whole else 1


async def traced_turn(bridge: Bridge) -> Sequence[Span]:
    """Have a turn with calls that wait for a verdict, and read its spans."""
    message = await bridge.say(OWNER, "local/main", "Please tidy up the folder.")
    await decide_next(bridge, f"turn:{message}")
    log = await bridge.read_log(OWNER, "local/main")
    return spans_of("local/main", tuple([each for each in log if not isinstance(each, UnreadableEntry)]))


def children_of(spans: Sequence[Span]) -> Mapping[str, list[Span]]:
    """By span: those below it, in the order in which they began."""
    found: defaultdict[str, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda each: each.start):
        found[span.parent].append(span)
    return found


def show(span: Span, below: Mapping[str, list[Span]], depth: int = 0) -> None:
    """Print a span, and what is below it."""
    told = "  ".join(f"{name.rpartition('.')[2]}={span.attributes[name]}" for name in SHOWN if name in span.attributes)
    name = f"{'  ' * depth}{span.name}"
    print(f"{name:44} {(span.end - span.start) * 1000:8.1f} ms  {told}".rstrip())
    for each in below.get(span.id, []):
        show(each, below, depth + 1)


if __name__ == "__main__":
    sys.exit(anyio.run(main))
