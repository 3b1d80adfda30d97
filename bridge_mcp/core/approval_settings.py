"""How calls are asked about: the settings of `[approvals]`, and what a rule for single tools says of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Literal, TypeAlias, TypedDict, cast

__all__ = ["APPROVAL_FIELDS", "ApprovalSettings", "ConfirmationMode", "PartialApprovalSettings"]

ConfirmationMode: TypeAlias = Literal["required", "never", "by-annotation"]
"""Which calls ask: all, none, or those of tools that do not say of themselves that they only read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalSettings:
    """All that is set about asking for approval. Of seconds, 0 is never."""

    confirmation: ConfirmationMode = "by-annotation"
    expires_s: float = 600.0
    route: str = ""
    """The conversation its prompt goes to: empty for the one that asked, `agents` for none."""
    remind_s: float = 0.0
    """How long nobody may decide before the prompt is repeated, again and again."""
    escalate_s: float = 0.0
    """How long nobody may decide before `escalate_to` is asked too."""
    escalate_to: str = ""
    quorum: int = 1
    """How many different approvers it takes."""

    def overridden(self, *parts: PartialApprovalSettings) -> ApprovalSettings:
        """These settings, with what the parts say in their place. Of two parts the first has the say."""
        said = PartialApprovalSettings()
        for part in reversed(parts):
            said.update(part)
        return replace(self, **said) if said else self

    def as_part(self) -> PartialApprovalSettings:
        """The same as a part that leaves nothing open."""
        return cast("PartialApprovalSettings", asdict(self))


class PartialApprovalSettings(TypedDict, total=False):
    """Some of the `ApprovalSettings`. What is left out is for the next rule, or the general settings, to say."""

    confirmation: ConfirmationMode
    expires_s: float
    route: str
    remind_s: float
    escalate_s: float
    escalate_to: str
    quorum: int


APPROVAL_FIELDS = frozenset(each.name for each in fields(ApprovalSettings))
"""The keys of both."""
