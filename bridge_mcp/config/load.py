"""Reads the configuration: the file (or none), the environment, and what they mean together."""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from bridge_mcp.config import schema
from bridge_mcp.config.convert import Reading
from bridge_mcp.config.problems import Problems
from bridge_mcp.config.secrets import Secrets
from bridge_mcp.config.sections import speech, transcription
from bridge_mcp.config.values import STORE_NAME, Config
from bridge_mcp.core.errors import ConfigError
from bridge_mcp.paths import find_config, make_private, passed_over, state_folder, working_folder

__all__ = ["complaint", "examine", "load_config"]

MAX_MENDED = 5
"""How often invalid entries are removed from a file so that the rest can be checked."""


def load_config(
    path: str | Path | None = None, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Config:
    """All settings, checked; makes the state folder. `path` is what `--config` named.

    Without `path` it is BRIDGE_MCP_CONFIG, then bridge.toml in the user's config folder; none is fine. The working
    folder is never searched. Relative paths in the file are relative to the file.

    Raises:
        ConfigError: with everything that is wrong, each with its key and its fix.
    """
    config, wrong = examine(path, env=env, cwd=cwd)
    if wrong is not None:
        raise wrong
    make_private(config.state_dir)
    return config


def examine(
    path: str | Path | None = None, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> tuple[Config, ConfigError | None]:
    """The settings as far as they can be read, and what is wrong with them. Makes nothing.

    Raises:
        ConfigError: nothing of the file can be read, or its folder is not to be trusted.
    """
    env = os.environ if env is None else env
    cwd = cwd or working_folder()
    source = find_config(path, env, cwd)
    problems = Problems(source)
    data = read(source) if source else b""
    file = parse(data, source, problems) if source else schema.File()
    folder = source.parent if source else cwd
    reading = Reading(file, folder, problems, Secrets(env, folder, problems), env)
    state = state_folder(env)
    config = Config(
        source=source,
        passed_over=passed_over(source, path, env, cwd),
        state_dir=state,
        store=reading.store(state / STORE_NAME),
        models=reading.models(),
        tool_servers=reading.tool_servers(),
        channels=reading.channels(),
        rules=reading.rules(state),
        clients=reading.clients(),
        stdio=reading.stdio(),
        allowed_hosts=tuple(file.http.allowed_hosts),
        allowed_origins=tuple(file.http.allowed_origins),
        rate_per_s=file.http.rate_per_s,
        burst=file.http.burst,
        oauth=reading.oauth(),
        transcription=transcription(file.transcription, problems, reading.secrets),
        speech=speech(file.speech, problems, reading.secrets),
        max_file=int(file.store.max_file_mb * 1_000_000),
        max_files=int(file.store.max_files_mb * 1_000_000),
        telemetry=reading.telemetry(),
        log_json=file.log.format == "json",
        secrets=reading.secrets.known,
        lacking=reading.secrets.lacking,
        digest=hashlib.sha256(data).hexdigest() if source else "",
    )
    return config, problems.error(reading.secrets.lacking)


def complaint(text: str, folder: Path | None = None) -> str:
    """Return what is wrong with a text as the bridge.toml of a folder, missing secrets aside; "" if nothing is."""
    problems = Problems(None)
    folder = folder or working_folder()
    try:
        file = parse(text.encode(), None, problems)
        reading = Reading(file, folder, problems, Secrets({}, folder, problems), {})
        reading.store(folder / "state" / STORE_NAME)
        reading.models()
        reading.tool_servers()
        reading.channels()
        reading.rules(folder / "state")
        reading.clients()
        reading.stdio()
        reading.oauth()
        transcription(file.transcription, problems, reading.secrets)
        speech(file.speech, problems, reading.secrets)
        reading.telemetry()
    except ConfigError as exc:
        return str(exc)
    return str(problems.error() or "").removeprefix("The environment: ").removeprefix("The environment ")


def read(source: Path) -> bytes:
    """The bytes of the file.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return source.read_bytes()
    except OSError as exc:
        raise ConfigError(f"{source} cannot be read: {exc.strerror}.", fix="Mind its permissions.") from exc


def parse(data: bytes, source: Path | None, problems: Problems) -> schema.File:
    """The file in its shape; entries that have another are noted, and left out.

    Raises:
        ConfigError: it is no TOML.
    """
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        body: dict[str, Any] = tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{source} is nested too deep.", fix="Mend the file.") from None
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{source} is not UTF-8 at byte {exc.start}.", fix="Save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{source} is not valid TOML: {exc}.", fix="Mend that line.") from None
    for _ in range(MAX_MENDED):
        try:
            return schema.File.model_validate(body)
        except ValidationError as exc:
            problems.add_shape(exc, schema.File, text, typed=partial(schema.section_at, body))
            body = without(body, exc, problems.left_out)
    return schema.File()


def without(body: dict[str, Any], error: ValidationError, left_out: set[str]) -> dict[str, Any]:
    """The file without the entries that have another shape: the rest can still be looked at."""
    wrong = {tuple(part for part in detail["loc"] if part != "[key]")[:2] for detail in error.errors(include_url=False)}
    known_keys = {key: value for key, value in body.items() if (key,) not in wrong}
    left_out.update(str(place[-1]) for place in wrong)
    for place in wrong:
        if len(place) == 2 and isinstance(inner := known_keys.get(str(place[0])), dict):
            entries = cast("dict[str, Any]", inner)
            known_keys[str(place[0])] = {key: value for key, value in entries.items() if key != place[1]}
        else:
            known_keys.pop(str(place[0]), None)
    return known_keys
