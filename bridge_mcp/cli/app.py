"""All commands in one place. Each lives in a module of its own group, which is loaded when it is used."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from cyclopts import App, CycloptsError, CycloptsPanel, Parameter, UnusedCliTokensError

from bridge_mcp import __version__
from bridge_mcp.cli.run import report
from bridge_mcp.cli.texts.serving import HELP, too_many_words
from bridge_mcp.core.errors import BridgeError

__all__ = ["make_app", "run"]


def run(arguments: Sequence[str]) -> int:
    """Run one command; the exit code."""
    try:
        return make_app()(in_order(with_command(arguments)), result_action="return_value") or 0
    except BridgeError as exc:
        return report(exc)


def make_app() -> App:
    """The commands."""
    quiet = Parameter(show_default=False, negative="")
    app = App(name="bridge-mcp", help=HELP, version=__version__, default_parameter=quiet, error_formatter=wrong_usage)
    cli = "bridge_mcp.cli"
    app.command(f"{cli}.serving:plain", name="stdio", help="Serve MCP over standard input and output (the default).")
    app.command(f"{cli}.serving:serve", name="serve", help="Stay up: the engine, and with --http MCP for many clients.")
    app.command(f"{cli}.worker:worker", name="worker", help="Share the work on a Postgres store with other workers.")
    app.command(f"{cli}.serving:gate", name="gate", help="Stand before an MCP server: its calls pass the approvals.")
    app.command(
        f"{cli}.demo:demo", name="demo", help="See all of it work in under 20 seconds, without keys or network."
    )
    app.command(f"{cli}.console:console", name="console", help="Open the web console in the browser.")
    app.command(f"{cli}.chat:chat", name="chat", help="Chat in this terminal, on the local channel.")
    app.command(f"{cli}.messages:send", name="send", help="Send a message to a conversation.")
    app.command(f"{cli}.later:scheduled", name="scheduled", help="List the messages to be sent later; cancel one.")
    app.command(f"{cli}.messages:say", name="say", help="Say something on a local channel, as a person would.")
    app.command(f"{cli}.conversations:conversations", name="conversations", help="List the conversations.")
    app.command(f"{cli}.messages:events", name="events", help="Show what happens in the bridge.")
    app.command(f"{cli}.messages:log", name="log", help="Show the log of a conversation, and verify it.")
    app.command(f"{cli}.status:status", name="status", help="Show how the bridge is, and what waits.")
    app.command(f"{cli}.check:check", name="check", help="Check everything, and say how to mend what is wrong.")
    app.command(f"{cli}.hook_command:hook", name="hook", help="Answer an agent's permission prompts in the chat.")
    app.command(f"{cli}.setup:init", name="init", help="Write a commented bridge.toml.")
    app.command(f"{cli}.install:install", name="install", help="Put the bridge among the servers of an MCP host.")
    app.command(f"{cli}.install:uninstall", name="uninstall", help="Take it out of an MCP host again.")
    app.command(f"{cli}.setup:migrate", name="migrate", help="Bring the store to this version's schema.")
    app.command(f"{cli}.setup:rebuild", name="rebuild", help="Compute anew what stands beside the logs.")
    app.command(f"{cli}.keeping:backup", name="backup", help="Write all that the bridge keeps into one file.")
    app.command(f"{cli}.keeping:restore", name="restore", help="Put a backup in the place of the store.")
    app.command(f"{cli}.conversation_export:export", name="export", help="Print a conversation, as Markdown or JSON.")
    app.command(f"{cli}.forgetting:forget_command", name="forget", help="Forget a conversation or a person, for good.")
    app.command(f"{cli}.reference:reference", name="reference", help="Print the reference: keys, tools, errors, …")
    app.command(f"{cli}.review:review", name="review", help="Try a reviewer's policy on the calls that people decided.")
    app.command(approvals_app(f"{cli}.approvals"))
    app.command(clients_app(f"{cli}.clients"))
    app.command(pair_app(f"{cli}.pairing"))
    app.command(servers_app(f"{cli}.servers"))
    app.command(service_app(f"{cli}.service"))
    app.command(f"{cli}.completion:completion", name="completion", help="Have a shell complete commands and options.")
    return app


def wrong_usage(error: CycloptsError) -> object:
    """What is wrong with a command line; of words that are too many it is told what was meant by them most likely."""
    if isinstance(error, UnusedCliTokensError):
        return CycloptsPanel(too_many_words(error.unused_tokens or []))
    return CycloptsPanel(error)


def approvals_app(module: str) -> App:
    group = App(name="approvals", help="See and decide the calls that wait for a verdict.")
    group.command(f"{module}:list_", name="list", help="List the calls that wait for a verdict.")
    group.command(f"{module}:approve", name="approve", help="Let calls run.")
    group.command(f"{module}:reject", name="reject", help="Keep calls from running.")
    group.command(f"{module}:grants", name="grants", help="List the standing verdicts that --remember made.")
    group.command(f"{module}:revoke", name="revoke", help="End a standing verdict.")
    rehearsal = module.replace("approvals", "rehearsal")
    group.command(f"{rehearsal}:rehearse", name="rehearse", help="What would be asked under the settings of now.")
    export = module.replace("approvals", "export")
    group.command(f"{export}:export", name="export", help="Every call's life: who asked, who decided, what came of it.")
    group.command(f"{rehearsal}:suggest", name="suggest", help="Grants for what people always approved.")
    return group


def clients_app(module: str) -> App:
    group = App(name="clients", help="Say who may come over HTTP.")
    group.command(f"{module}:add", name="add", help="Let a client in, and show its token, once.")
    group.command(f"{module}:list_", name="list", help="List who may come, and what they may do.")
    group.command(f"{module}:revoke", name="revoke", help="Shut a client out, at once.")
    return group


def pair_app(module: str) -> App:
    group = App(name="pair", help="Let chats and people in, or shut them out.")
    group.command(
        f"{module}:add", name="add", help="Let a chat or a person in: pair add CODE, or pair add CHANNEL CHAT."
    )
    group.command(f"{module}:list_", name="list", help="List who was let in, and who asks to be.")
    group.command(f"{module}:remove", name="remove", help="Shut a chat or a person out.")
    return group


def servers_app(module: str) -> App:
    group = App(name="servers", help="See and set up the nested tool servers.")
    group.command(f"{module}:list_", name="list", help="List the tool servers, and how each is.")
    group.command(
        f"{module}:changes", name="changes", help="List the tools that changed: what each was, and what it is now."
    )
    group.command(f"{module}:accept", name="accept", help="Trust a changed tool as it is now.")
    group.command(f"{module}:login", name="login", help="Log in to a tool server by OAuth, in a browser.")
    group.command(f"{module}:trust", name="trust", help="See, and accept, a tool server's changed instructions.")
    group.command(f"{module}:import_", name="import", help="Add the servers of another MCP host's settings.")
    return group


def service_app(module: str) -> App:
    group = App(name="service", help="Keep the bridge running for this user, by systemd or launchd.")
    group.command(f"{module}:install", name="install", help="Have it started now, at each login and after a crash.")
    group.command(f"{module}:status", name="status", help="Show whether it runs.")
    group.command(f"{module}:uninstall", name="uninstall", help="End it, and take it out.")
    return group


def with_command(arguments: Sequence[str]) -> list[str]:
    """Plain serving under its own name, where its options stand alone: a mistake in them is told as one of theirs."""
    words = list(arguments)
    if words[:1] == ["help"]:
        return [*words[1:], "--help"]
    options = ("--config", "--scopes", "--log-level", "--log-json", "--expose", "--channel")
    alone = not any(not word.startswith("-") and before not in options for before, word in pairwise(["", *words]))
    plain = bool(words) and words[0].partition("=")[0] in options and alone
    return ["stdio", *words] if plain and not {"--help", "-h", "--version"} & set(words) else words


def in_order(arguments: Sequence[str]) -> list[str]:
    """Options that stand before the command, put behind it, where the command takes them."""
    remaining, options = list(arguments), list[str]()
    while remaining and remaining[0].partition("=")[0] in ("--config", "--log-level", "--log-json", "--json"):
        options.append(remaining.pop(0))
        if "=" not in options[-1] and options[-1] not in ("--log-json", "--json") and remaining:
            options.append(remaining.pop(0))
    if not options or not remaining or remaining[0].startswith("-"):
        return list(arguments)
    words = 2 if remaining[0] in ("approvals", "clients", "pair", "servers", "service") else 1
    return [*remaining[:words], *options, *remaining[words:]]
