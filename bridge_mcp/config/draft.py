"""A first configuration from a few answers: the commented template, with its examples replaced by sections."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from msgspec import Struct, field

__all__ = ["Section", "drafted"]


class Section(Struct, frozen=True):
    """One section, such as `[models.default]`."""

    name: str
    values: Mapping[str, str]
    """Plain keys with their texts."""
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    """Keys without `_env` or `_file`, with the secrets themselves."""
    example: str = ""
    """The line of the template by which its example is known, without the `# ` before it."""

    def lines(self, secrets: Mapping[str, str]) -> list[str]:
        """The section as TOML; `secrets` says for each key of a secret what stands in its place (`token_file = …`)."""
        key_lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in self.values.items()]
        return [f"[{self.name}]", *key_lines, *(secrets[key] for key in self.secrets)]

    def stems(self) -> frozenset[str]:
        """Its keys, those of secrets without their ends."""
        return frozenset(re.sub(r"_(env|file)$", "", key) for key in (*self.values, *self.secrets))


def drafted(template: str, sections: Iterable[tuple[Section, Mapping[str, str]]]) -> str:
    """The template with these sections in the place of their examples; behind all, where there is none.

    What else an example shows stays, as comments of the section.
    """
    lines = template.splitlines()
    for section, secrets in sections:
        at = next((n for n, line in enumerate(lines) if section.example and section.example in line[:60]), -1)
        head = next((n for n in range(at, -1, -1) if lines[n].startswith("# [")), -1) if at >= 0 else -1
        if head < 0:
            lines += ["", *section.lines(secrets)]
            continue
        end = next((n for n in range(head, len(lines)) if not lines[n].strip()), len(lines))
        header = re.match(r"# \[([^\]]*)\]", lines[head])
        old = header[1] if header else section.name
        commented = [
            line.replace(f"[{old}.", f"[{section.name}.") for line in lines[head + 1 : end] if not said(section, line)
        ]
        lines[head:end] = [*section.lines(secrets), *commented]
    return "\n".join(lines) + "\n"


def said(section: Section, line: str) -> bool:
    """Whether a line of an example shows a key that the section gives itself."""
    match = re.match(r"# ([a-z_]+) = ", line)
    return bool(match) and re.sub(r"_(env|file)$", "", match[1] if match else "") in section.stems()
