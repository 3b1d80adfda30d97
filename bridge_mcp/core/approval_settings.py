"""The settings of `[approvals]`, and the part of them that a rule for single tools sets."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Literal, TypeAlias, TypedDict, cast

__all__ = ["APPROVAL_FIELDS", "ApprovalSettings", "ConfirmationMode", "PartialApprovalSettings"]

ConfirmationMode: TypeAlias = Literal["required", "never", "by-annotation"]
"""Which calls need approval: all, none, or those of tools without `readOnlyHint`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalSettings:
    """All settings of approvals. Seconds: 0 is never."""

    confirmation: ConfirmationMode = "by-annotation"
    expires_s: float = 600.0
    route: str = ""
    """The conversation its prompt goes to: empty for the one that asked, `agents` for none."""
    remind_s: float = 0.0
    """Seconds without a verdict after which the prompt is repeated, again and again."""
    escalate_s: float = 0.0
    """Seconds without a verdict after which `escalate_to` is asked too."""
    escalate_to: str = ""
    quorum: int = 1
    """How many different approvers it takes."""

    def overridden(self, *parts: PartialApprovalSettings) -> ApprovalSettings:
        """These settings, overridden by the parts; an earlier part takes precedence."""
        said = PartialApprovalSettings()
        for part in reversed(parts):
            said.update(part)
        return replace(self, **said) if said else self

    def as_part(self) -> PartialApprovalSettings:
        """The same as a part with all keys."""
        return cast("PartialApprovalSettings", asdict(self))


class PartialApprovalSettings(TypedDict, total=False):
    """Some of the `ApprovalSettings`; the next rule or the general settings give the others."""

    confirmation: ConfirmationMode
    expires_s: float
    route: str
    remind_s: float
    escalate_s: float
    escalate_to: str
    quorum: int


APPROVAL_FIELDS = frozenset(each.name for each in fields(ApprovalSettings))
"""The keys of both."""
