"""The settings of `[approvals]`, and the part of them that a rule for single tools sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, TypedDict, cast

from msgspec import Struct
from msgspec.structs import asdict, replace

__all__ = ["APPROVAL_FIELDS", "ApprovalSettings", "ConfirmationMode", "PartialApprovalSettings", "Reviewer"]

ConfirmationMode: TypeAlias = Literal["required", "person", "never", "by-annotation"]
"""Which calls ask: all, all and people alone, none, or those of tools that do not say of themselves that they only
read."""


class Reviewer(Struct, frozen=True):
    """The model that looks at calls before people do, and what it is told to go by."""

    model: str
    """The name of a `[models.NAME]` section."""
    policy: str
    """The file with what its owner wants of calls, by its whole path."""
    may: Literal["approve", "advise"] = "advise"
    """Whether its word decides, or is only told to whoever does."""
    per_minute: int = 10
    """How many calls it is asked about in a minute; with more, people are asked at once."""


class ApprovalSettings(Struct, frozen=True, kw_only=True):
    """All settings of approvals. Seconds: 0 is never."""

    confirmation: ConfirmationMode = "by-annotation"
    expires_s: float = 600.0
    route: str = ""
    """The conversation its prompt goes to: empty for the one that asked, `agents` for none."""
    also_route: tuple[str, ...] = ()
    """Further conversations that its prompt goes to."""
    remind_s: float = 0.0
    """Seconds without a verdict after which the prompt is repeated, again and again."""
    escalate_s: float = 0.0
    """Seconds without a verdict after which `escalate_to` is asked too."""
    escalate_to: str = ""
    quorum: int = 1
    """How many different approvers it takes."""
    review: Reviewer | None = None
    """Who looks at a call before people do."""

    def overridden(self, *parts: PartialApprovalSettings) -> ApprovalSettings:
        """These settings, with what the parts say in their place. Of two parts the first has the say.

        What is for people alone has no reviewer; what is `required` has one only where the same part names it.
        """
        overrides = PartialApprovalSettings()
        for part in reversed(parts):
            overrides.update(part)
        merged = replace(self, **overrides) if overrides else self
        if merged.review is None or merged.confirmation in ("never", "by-annotation"):
            return merged
        same_part = first_with("confirmation", parts) == first_with("review", parts)
        return merged if merged.confirmation == "required" and same_part else replace(merged, review=None)

    def as_part(self) -> PartialApprovalSettings:
        """The same as a part with all keys."""
        return cast("PartialApprovalSettings", asdict(self))


class PartialApprovalSettings(TypedDict, total=False):
    """Some of the `ApprovalSettings`; the next rule or the general settings give the others."""

    confirmation: ConfirmationMode
    expires_s: float
    route: str
    also_route: tuple[str, ...]
    remind_s: float
    escalate_s: float
    escalate_to: str
    quorum: int
    review: Reviewer | None
    """None: no reviewer, whatever the next rule says."""


def first_with(key: str, parts: Sequence[PartialApprovalSettings]) -> int | None:
    """Which of the parts has the say about a key; None for none of them."""
    return next((number for number, part in enumerate(parts) if key in part), None)


APPROVAL_FIELDS = frozenset(ApprovalSettings.__struct_fields__)
"""The keys of both."""
