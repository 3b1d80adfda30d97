"""`init` at a terminal: asks who answers, where people write and which host starts it, and tries what it is told.

Nothing is written before the last question is answered: what is tried is read from a passing file without a secret.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from bridge_mcp.channels.registry import plug
from bridge_mcp.cli.check import models, platforms, print_findings
from bridge_mcp.cli.findings import Finding
from bridge_mcp.cli.init_channels import CHANNELS, ChannelQuestions
from bridge_mcp.cli.install import machine
from bridge_mcp.cli.output import console
from bridge_mcp.cli.questions import one_of, secret, text
from bridge_mcp.cli.run import loop
from bridge_mcp.cli.texts import setup as texts
from bridge_mcp.config import Config, examine
from bridge_mcp.config.draft import Section
from bridge_mcp.core.errors import BridgeError
from bridge_mcp.hosts.inspection import inspect_hosts
from bridge_mcp.redaction import Redactor, set_up_logging

__all__ = ["Answers", "interview"]

TRY_S = 60.0
"""Seconds that one thing is tried for; a model has 30 of its own."""
Look = Callable[[Config], AsyncIterator[Finding]]


@dataclass(slots=True)
class Answers:
    """What was said."""

    sections: list[Section] = field(default_factory=list[Section])
    host: str = ""
    then: list[str] = field(default_factory=list[str])
    """What is left to do."""
    redactor: Redactor = field(default_factory=Redactor)


def interview() -> Answers:
    """All questions.

    Raises:
        KeyboardInterrupt: whoever sits there wants no more of it.
    """
    answers = Answers()
    set_up_logging("error", answers.redactor)
    who_answers(answers)
    where_people_write(answers)
    which_host(answers)
    return answers


def who_answers(answers: Answers) -> None:
    """The model, if there is to be one."""
    kind = one_of(
        texts.WHO_ANSWERS,
        [
            ("none", texts.BY_NOBODY),
            ("provider", texts.BY_PROVIDER),
            ("own", texts.BY_OWN_MODEL),
        ],
    )
    ask = {"provider": provider_model, "own": own_model}.get(kind)
    if ask is None:
        answers.then.append(texts.HOST_ANSWERS)
        return
    if not settled(answers, ask, lambda config: models(config, ask=True)):
        answers.then.append(texts.HOST_ANSWERS)


def provider_model() -> Section:
    """A model that litellm knows, and its key."""
    model = text(texts.WHICH_MODEL, "openai/gpt-5-mini")
    variable = model.partition("/")[0].upper().replace("-", "_") + "_API_KEY"
    is_set = bool(os.environ.get(variable))
    key = secret(texts.key_is_set(variable) if is_set else texts.ITS_KEY)
    reference = {"api_key_env": variable} if is_set and not key else {}
    return model_section({"model": model, **reference}, key)


def own_model() -> Section:
    """A model at an endpoint that speaks OpenAI's format."""
    address = text(texts.ENDPOINT, "http://127.0.0.1:11434/v1")
    model = text(texts.MODEL_THERE, "qwen3")
    key = secret(texts.ITS_KEY)
    return model_section({"model": model if "/" in model else f"openai/{model}", "base_url": address}, key)


def model_section(values: Mapping[str, str], key: str) -> Section:
    return Section("models.default", values, {"api_key": key} if key else {}, example="[models.default]")


def where_people_write(answers: Answers) -> None:
    """The channels beside the local one."""
    while True:
        taken = {section.name for section in answers.sections}
        offered = [row for row in CHANNELS if f"channels.{row.type}" not in taken]
        if not offered:
            return
        options: list[tuple[ChannelQuestions | None, str]] = [(None, texts.NOWHERE_ELSE)]
        question = texts.WHERE if len(offered) == len(CHANNELS) else texts.WHERE_ELSE
        chosen = one_of(question, [*options, *((row, row.title) for row in offered)])
        if chosen is None:
            return
        if settled(answers, lambda kind=chosen: channel(kind), platforms):
            answers.then.append(chosen.then)


def channel(kind: ChannelQuestions) -> Section:
    """One channel's section."""
    if (steps := plug(kind.type).type.setup) is not None:
        console().print(steps(), soft_wrap=True)
    values, secrets = {"type": kind.type}, dict[str, str]()
    for question in kind.questions:
        if question.secret:
            secrets[question.key] = secret(question.asks)
        else:
            values[question.key] = text(question.asks, question.default)
    return Section(f"channels.{kind.type}", values, secrets, example=f'type = "{kind.type}"')


def settled(answers: Answers, ask: Callable[[], Section], look: Look) -> bool:
    """Ask until what is said works, or is kept as it is, or is left out; whether there is a section now."""
    while True:
        section = ask()
        for key, value in section.secrets.items():
            answers.redactor.learn({f"{section.name}.{key}": value})
        with console().status(texts.TRYING):
            findings = tried(section, look)
        print_findings(findings, json=False)
        if all(finding.fine for finding in findings):
            answers.sections.append(section)
            return True
        choice = one_of(texts.WORKS_NOT, [("again", texts.AGAIN), ("keep", texts.KEEP), ("out", texts.LEAVE_OUT)])
        if choice == "keep":
            answers.sections.append(section)
        if choice != "again":
            return choice == "keep"


def tried(section: Section, look: Look) -> list[Finding]:
    """What comes of a section, looked at for real within `TRY_S`; its secrets stay in this process."""
    names = {key: f"ANSWER_{number}" for number, key in enumerate(section.secrets)}
    lines = section.lines({key: f'{key}_env = "{name}"' for key, name in names.items()})
    env = {**os.environ, **{name: section.secrets[key] for key, name in names.items()}}
    with tempfile.TemporaryDirectory(prefix="bridge-mcp-init-") as folder:
        path = Path(folder) / "bridge.toml"
        path.write_text("\n".join(lines) + "\n", "utf-8")
        try:
            config, wrong = examine(path, env=env)
        except BridgeError as exc:
            wrong, config = exc, None
    if wrong is not None or config is None:
        problem = str(wrong).removeprefix(f"{path}: ").replace(f"{section.name}.", "").replace(str(path), section.name)
        return [Finding(section.name, False, problem)]
    return loop(looked, config, look, section.name)


async def looked(config: Config, look: Look, name: str) -> list[Finding]:
    """All that is found, or that it took too long."""
    findings: list[Finding] = []
    try:
        with anyio.fail_after(TRY_S):
            findings.extend([finding async for finding in look(config)])
    except TimeoutError:
        findings.append(Finding(name, False, texts.no_answer(TRY_S)))
    return findings


def which_host(answers: Answers) -> None:
    """The host that starts the bridge, of those whose settings are there."""
    hosts = [inspection for inspection in inspect_hosts(machine()) if not inspection.wrong]
    if not hosts:
        answers.then.append(texts.CONNECT_A_HOST)
        return
    options = [*((host.host, host.title) for host in hosts), ("", texts.NO_HOST)]
    answers.host = one_of(texts.WHICH_HOST, options)
    console().print()
