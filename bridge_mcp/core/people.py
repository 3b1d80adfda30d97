"""Which principals are one person, by the owner's config. An alias adds no right: it only keeps counts honest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct, field

__all__ = ["LOCAL", "People"]

LOCAL = frozenset({"owner", "stdio", "cli", "loopback"})
"""Principals of this machine's user, who are one person whatever else is known."""

AT = "person at "
"""How a person is called who decides in a host's form; the rest is the host's own name."""


class People(Struct, frozen=True):
    """The people that the owner names, by the principals that each of them is."""

    names: Mapping[str, str] = field(default_factory=dict[str, str])

    def person(self, principal: str) -> str:
        """The person behind this principal; "" if the config names none."""
        name = principal.removeprefix(AT)
        if name in LOCAL:
            return next((self.names[local] for local in sorted(LOCAL) if local in self.names), "")
        return self.names.get(name, "")

    def is_same_person(self, first: str, second: str) -> bool:
        """Whether two principals are one person, as far as is known."""
        first, second = first.removeprefix(AT), second.removeprefix(AT)
        person = self.person(first)
        return first == second or {first, second} <= LOCAL or (bool(person) and person == self.person(second))

    def distinct(self, principals: Iterable[str]) -> frozenset[str]:
        """The different people among these principals. One that the config does not name is not counted."""
        return frozenset(person for principal in principals if (person := self.person(principal)))
