"""Reads when rules ask for approval, and which reviewers rules and sections of tool servers name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Literal, cast

from msgspec import Struct, field

from bridge_mcp.config import schema
from bridge_mcp.config.problems import Problems, nearest
from bridge_mcp.core.approval_settings import APPROVAL_FIELDS, PartialApprovalSettings, Reviewer
from bridge_mcp.core.policy import AGENTS, ToolRule

__all__ = ["Reviews", "places"]

Asked = schema.Review | Literal[False] | None


class Reviews(Struct, frozen=True):
    """Reads the reviewers of a configuration, and records problems."""

    models: Collection[str]
    existing: Callable[[str, str], Path | None]
    """Return the file that a key names; if it does not exist, record a problem and return None."""
    problems: Problems
    policies: list[Path] = field(default_factory=list[Path])
    """The policy files named so far: whoever can change one decides about calls."""

    def settings(self, key: str, section: schema.Approvals | schema.CallRule) -> PartialApprovalSettings:
        """What a section says about asking for approval. As a confirmation, `default` says nothing."""
        part = section.model_dump(include=set(APPROVAL_FIELDS - {"review", "route"}), exclude_none=True)
        if part.get("confirmation") == "default":
            del part["confirmation"]
        return cast("PartialApprovalSettings", {**part, **routed(section.route), **self.part(key, section.review)})

    def part(self, key: str, section: Asked) -> PartialApprovalSettings:
        """What a rule says of its reviewer; nothing where it says nothing."""
        if section is None:
            return {}
        return {"review": self._reviewer(f"{key}.review", section) if section else None}

    def of_servers(self, servers: Mapping[str, schema.ToolServer]) -> Iterator[ToolRule]:
        """The rules that sections of tool servers are where they name reviewers, those for single tools first."""
        for name, section in servers.items():
            key = f"tool_servers.{name}"
            if section.review is None and all(shape.review is None for shape in section.tools.values()):
                continue
            ordered = sorted(section.tools.items(), key=lambda item: any(mark in item[0] for mark in "*?["))
            for pattern, shape in ordered:
                yield self._of_shape(f'{key}.tools."{pattern}"', section, shape, ToolRule(pattern, server=name))
            yield ToolRule("*", confirmed(section.confirmation, self.part(key, section.review)), server=name)

    def _of_shape(self, key: str, section: schema.ToolServer, shape: schema.ToolShape, rule: ToolRule) -> ToolRule:
        """The rule for some tools of a server. What is `required` has the reviewer of the rule that says so."""
        of_tool = self.part(key, shape.review)
        review = of_tool or self.part(f"tool_servers.{rule.server}", section.review)
        confirmation = shape.confirmation or section.confirmation
        if confirmation == "required":
            names = shape.review if shape.confirmation else section.review
            review = review if names else PartialApprovalSettings(review=None)
        return ToolRule(rule.pattern, confirmed(confirmation, review), server=rule.server)

    def _reviewer(self, key: str, section: schema.Review) -> Reviewer | None:
        if section.model not in self.models and section.model not in self.problems.left_out:
            fix = nearest(section.model, self.models, "models")
            self.problems.add(f"{key}.model", f"there is no '{section.model}' among the models.", fix)
        path = self.existing(f"{key}.policy", section.policy)
        if path is None:
            return None
        self.policies.append(path)
        return Reviewer(section.model, str(path), may=section.may, per_minute=section.per_minute)


def places(route: str | list[str] | None) -> list[str]:
    """The places that a `route` names."""
    return [route] if isinstance(route, str) else list(dict.fromkeys(route or ()))


def routed(route: str | list[str] | None) -> PartialApprovalSettings:
    """Where people are asked; clients may decide wherever that is, so beside chats `agents` says nothing more."""
    conversations = places(route)
    chats = [place for place in conversations if place != AGENTS]
    return {"route": (chats or conversations)[0], "also_route": tuple(chats[1:])} if conversations else {}


def confirmed(confirmation: str, part: PartialApprovalSettings) -> PartialApprovalSettings:
    """Add the confirmation that a reviewer implies."""
    match confirmation:
        case "required" | "person" | "never" | "by-annotation" as mode:
            return {**part, "confirmation": mode}
        case _:
            return part
