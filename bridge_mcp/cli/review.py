"""The command `review`: a reviewer's policy tried on what people decided."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from bridge_mcp.assembly import Assembly, make_models
from bridge_mcp.cli.common import USUAL, Common, Json, with_bridge
from bridge_mcp.cli.output import ago, console, print_json
from bridge_mcp.cli.spans import seconds
from bridge_mcp.cli.texts import approvals as texts
from bridge_mcp.config import Config
from bridge_mcp.core.approval_settings import Reviewer
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.safe_text import visible
from bridge_mcp.core.spending import Cap, Spent, spent
from bridge_mcp.models.settings import SCRIPTED
from bridge_mcp.service.review_replay import ORDER, Case, Replayed, cases, in_order, replay_case

__all__ = ["review"]

MAX_CASES = 1_000


def review(
    *,
    replay: bool = False,
    since: str = "30d",
    policy: Path | None = None,
    model: str = "",
    limit: int = 100,
    max_usd: float = 1.0,
    max_tokens: int = 1_000_000,
    yes: bool = False,
    json: Json = False,
    common: Common = USUAL,
) -> int:
    """Run a reviewer's policy over the calls that people decided, and compare: false approvals first.

    Nothing is decided, and nothing is written.

    Parameters
    ----------
    replay
        Do that; there is no other way yet.
    since
        How far back: 30d, 12h, 90m.
    policy
        The file with the policy; without it, that of the first reviewer in the config.
    model
        The section of [models] to ask; without it, as for the policy.
    limit
        How many calls at most, the newest first.
    max_usd
        Stop once the known cost reaches so many dollars.
    max_tokens
        Stop once so many tokens are read and written: that bounds models whose price nobody knows.
    yes
        Do not ask before a model is asked that costs money.
    """
    span, cap = checked(replay, since, limit), Cap(max_usd, max_tokens)

    async def body(assembly: Assembly) -> int:
        name, policy_text = chosen(assembly.config, policy, model)
        decided = await cases(assembly.store, time.time() - span, limit)
        return await tried(assembly.config, name, policy_text, decided, cap, yes=yes, json=json)

    return with_bridge(common, body)


async def tried(
    config: Config, name: str, policy: str, decided: tuple[Case, ...], cap: Cap, *, yes: bool, json: bool
) -> int:
    """Ask the model about these calls, if its owner wants that, and print the comparison; the exit code."""
    if not decided:
        console().print(texts.NONE_DECIDED)
        return 0
    if not yes and not agreed(config, name, policy, decided):
        return 1
    answers, stopped = await asked(config, name, policy, decided, cap)
    show(answers, len(decided), stopped=stopped, json=json)
    return 0


def checked(replay: bool, since: str, limit: int) -> float:
    """How far back to look.

    Raises:
        BadInput: an option is not what it may be.
    """
    if not replay:
        raise BadInput("`review` needs to be told what to do.", fix="bridge-mcp review --replay")
    if not 1 <= limit <= MAX_CASES:
        raise BadInput(f"--limit is between 1 and {MAX_CASES}.")
    return seconds(since)


def chosen(config: Config, policy: Path | None, model: str) -> tuple[str, str]:
    """The model to ask, and the text of the policy.

    Raises:
        BadInput: one is not named, there is no such model, or the policy cannot be read.
    """
    rules = [*config.rules.tools, *(rule for channel in config.rules.channels.values() for rule in channel.tools)]
    reviewers = [config.rules.asking.review, *(rule.says.get("review") for rule in rules)]
    first: Reviewer | None = next((reviewer for reviewer in reviewers if reviewer is not None), None)
    path = policy or (Path(first.policy) if first else None)
    name = model or (first.model if first else "")
    if path is None or not name:
        raise BadInput("The config names no reviewer.", fix="Give --policy FILE and --model NAME.")
    if name not in config.models:
        models = ", ".join(sorted(config.models)) or "none"
        raise BadInput(f"There is no model '{name[:80]}' in the config.", fix=f"The models are: {models}.")
    try:
        text = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise BadInput(f"{path} cannot be read as UTF-8 text.", fix="Give --policy FILE.") from None
    if not text:
        raise BadInput(f"{path} is empty.", fix="Write what you want of calls into it.")
    return name, text


def agreed(config: Config, name: str, policy: str, decided: tuple[Case, ...]) -> bool:
    """Whether the owner wants these reviews, where they may cost money.

    Raises:
        BadInput: nobody is there to be asked.
    """
    section = config.models[name]
    prices = section.prices
    if section.model == SCRIPTED or (prices is not None and prices.read == prices.written == 0):
        return True
    tokens = sum(case.tokens(policy) for case in decided)
    cost = texts.about_usd(prices.cost(tokens, 60 * len(decided))) if prices is not None else ""
    question = texts.will_ask(section.model, calls=len(decided), tokens=tokens, cost=cost)
    if not sys.stdin.isatty():
        raise BadInput(question, fix="Repeat it with --yes.")
    sys.stderr.write(f"{question} {texts.GO_ON}")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


async def asked(
    config: Config, name: str, policy: str, decided: tuple[Case, ...], cap: Cap
) -> tuple[list[Replayed], str]:
    """What the model says of each call, until as much is spent as may be; and the bound that ended it, "" for none."""
    models = make_models(config)
    answers: list[Replayed] = []
    try:
        for case in decided:
            if stopped := reached(answers, policy, cap):
                return answers, stopped
            answers.append(await replay_case(models, name, policy, case))
    finally:
        await models.close()
    return answers, ""


def total(answers: Sequence[Replayed]) -> Spent:
    """What all of it took."""
    return sum((spent(answer.said.usage) for answer in answers), Spent())


def reached(answers: Sequence[Replayed], policy: str, cap: Cap) -> str:
    """The bound that is reached, as its option; "" for none. Where a model tells no tokens, they are estimated."""
    if cap.usd is not None and total(answers).usd >= cap.usd:
        return f"--max-usd {cap.usd:g}"
    tokens = sum(spent(answer.said.usage).tokens or answer.case.tokens(policy) for answer in answers)
    return f"--max-tokens {cap.tokens}" if cap.tokens is not None and tokens >= cap.tokens else ""


def show(answers: list[Replayed], of: int, *, stopped: str, json: bool) -> None:
    """The comparison, what is worst first, and what it took. `stopped`: the bound at which it ended, "" for none."""
    kinds = Counter(answer.kind for answer in answers)
    spent = total(answers)
    if json:
        rows = [
            {
                "approval": replayed.case.approval.id,
                "tool": replayed.case.approval.tool,
                "arguments": replayed.case.approval.arguments,
                "people": replayed.case.approval.status,
                "reviewer": replayed.said.says,
                "reason": replayed.said.reason,
                "kind": replayed.kind,
            }
            for replayed in in_order(answers)
        ]
        counts = {kind: kinds[kind] for kind in ORDER}
        print_json({"counts": counts, "of": of, "stopped": stopped, **spending(spent), "calls": rows})
        return
    out = console()
    for replayed in in_order(answers):
        approval, opinion = replayed.case.approval, replayed.said
        line = Text(f"{replayed.kind:<15} ", "bold red" if replayed.kind == ORDER[0] else "bold")
        line.append(f"{approval.id}  {visible(approval.tool)} {visible(approval.arguments)[:200]}", "default")
        compared = texts.compared(approval.status, when=ago(approval.decided_at), reviewer=opinion.says)
        line.append(f"\n    {compared}", "default")
        line.append(f": {visible(opinion.reason)}" if opinion.reason else "", "default")
        out.print(line)
    listed = ", ".join(f"{kinds[kind]} {kind}" for kind in ORDER)
    out.print(texts.looked_at(len(answers), total=of, counts=listed, taken=spent))
    if stopped:
        out.print(texts.stopped_at(stopped))


def spending(spent: Spent) -> dict[str, float | int | None]:
    """The total for programs; `cost_usd` is that of the calls whose price is known."""
    return {
        "cost_usd": spent.usd,
        "unpriced_calls": spent.unpriced,
        "input_tokens": spent.input_tokens,
        "output_tokens": spent.output_tokens,
    }
