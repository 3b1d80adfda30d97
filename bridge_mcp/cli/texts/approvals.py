"""What the commands say about calls and verdicts: approvals list to suggest, approvals export, review."""

from __future__ import annotations

# -- list, approve, reject -----------------------------------------------------------------------------------

NONE_WAITS = "No approval waits."
THERE_ARE_NONE = "There are none."
NEVER_EXPIRES = "does not expire"


def next_page(shown: int, *, total: int, cursor: str) -> str:
    return f"{shown} of {total} are shown; the next ones: approvals list --cursor {cursor}"


def decided(status: str, *, by: str, via: str, when: str) -> str:
    return f"{status} by {by}{f' ({via})' if via else ''} {when}"


def asked(conversation: str, *, by: str, when: str, reason: str) -> str:
    return f"in {conversation}, asked by {by} {when}: {reason}"


def in_review(reviewer: str) -> str:
    return f"; the reviewer ({reviewer}) looks at it"


def reviewed(reviewer: str, *, says: str, reason: str) -> str:
    return f"; the reviewer ({reviewer}) says {says}{f': {reason}' if reason else ''}"


def expired(when: str) -> str:
    return f"expired {when}: no verdict counts any more"


def expires(when: str) -> str:
    return f"expires {when}"


def votes(number: int, *, total: int, names: str) -> str:
    return f" ({number} of {total} approvers{f': {names}' if names else ''})"


def done(status: str, *, tool: str, conversation: str) -> str:
    return f"{status}  {tool} in {conversation}"


def granted(grant: int) -> str:
    return f"Later calls like it run by grant {grant}; end it with: approvals revoke {grant}"


# -- grants --------------------------------------------------------------------------------------------------

NO_GRANTS = "There are no standing verdicts."
ANY_ARGUMENTS = "any arguments"
EVERYWHERE = "everywhere"
NO_END = "no end"


def made_by(name: str, when: str) -> str:
    return f"by {name} {when}"


def ends(when: str) -> str:
    return f"ends {when}"


def revoked(grant: int) -> str:
    return f"Grant {grant} is revoked."


# -- rehearse and suggest ------------------------------------------------------------------------------------

NO_CALLS_SINCE = "There are no calls since then."
WOULD = {
    "run": "would run",
    "ask": "would ask people",
    "review": "would ask the reviewer",
    "refuse": "would be refused",
}
FOR_THAT_CLIENT = "for that client"
TO_GRANT = "To grant one, approve such a call with these options: bridge-mcp approvals approve ID …"
NOTHING_TO_GRANT = "Nothing that people always approved was asked twice."


def asked_then(number: int) -> str:
    return f"{number} asked then"


def rehearsed(calls: int, *, counts: str, asked: int) -> str:
    return f"{calls} calls: {counts}. Then, {asked} were asked about."


def inside(conversation: str) -> str:
    return f"in {conversation}"


def suggestion(tool: str, *, where: str, saves: int, total: int, options: str) -> str:
    return f"{saves} of {total} prompts saved {where}: {tool} --remember conversation {options}"


def no_grant(tool: str, *, place: str, approved: int, reason: str) -> str:
    return f"no grant for {tool} in {place} ({approved} approved): {reason}"


# -- export --------------------------------------------------------------------------------------------------

NO_CALLS = "There are no calls."
RUNS = "runs"
WAITS = "waits"


def newest_only(number: int) -> str:
    return f"These are the newest {number:,} calls; older ones are left out: export shorter spans."


def asked_by(conversation: str, by: str) -> str:
    return f"in {conversation}, asked by {by}: "


def verdict(says: str, *, by: str, via: str) -> str:
    return f"{says} by {by}{f' ({via})' if via else ''}, "


def cleared(by: str) -> str:
    return f"let run by {by}, "


# -- review --------------------------------------------------------------------------------------------------

NONE_DECIDED = "People decided no calls since then."
GO_ON = "Go on? [y/N] "


def about_usd(cost: float) -> str:
    return f", about ${cost:.4f}"


def will_ask(model: str, *, calls: int, tokens: int, cost: str) -> str:
    return f"{calls} calls, with what was said before them, go to {model}: {tokens:,} tokens{cost}."


def compared(people: str, *, when: str, reviewer: str) -> str:
    return f"people: {people} {when}; reviewer: {reviewer}"


def looked_at(number: int, *, total: int, counts: str, taken: object) -> str:
    return f"{number} of {total} calls were looked at: {counts}. It took {taken}."


def stopped_at(bound: str) -> str:
    return f"It stopped at {bound}."
