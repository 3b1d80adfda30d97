"""The commented bridge.toml that `bridge-mcp init` writes: all sections with a description each."""

from __future__ import annotations

from bridge_mcp.channels.registry import BUILT_IN, plug

__all__ = ["template"]

HEAD = """\
# bridge.toml: the settings of bridge-mcp. Check them with: bridge-mcp check
# Everything has a default; what is commented out shows an example. Secrets never stand here: name the environment
# variable (…_env) or the file (…_file) that holds them. Paths are relative to this file.

# -- who answers -------------------------------------------------------------------------------------------------------

# [models.default]
# model = "openai/gpt-5-mini"              # any name litellm knows; "scripted" needs no provider
# api_key_env = "OPENAI_API_KEY"
# base_url = "http://127.0.0.1:11434/v1"   # an endpoint of your own that speaks OpenAI's format
# via = "litellm"                          # for an endpoint of another format: openai or litellm, if not by base_url
# fallbacks = ["anthropic/claude-sonnet-5"]
# timeout_s = 300                          # for a whole answer
# first_token_s = 60                       # for its first word, and between two, where it is streamed
# tool_calling = "prompt"                  # for a model that cannot call tools itself
# vision = true                            # for a model at an endpoint of your own that sees images
# pdf = true                               # and that reads PDFs
# params = { temperature = 0.3 }
# context_tokens = 128000                  # of question and answer together; without it: as litellm knows, or this many
# reserve_tokens = 4096                    # of these, for the answer
# max_result_chars = 20000                 # of a tool's result at once; the model can read on
# usd_per_million_input = 0.25             # tokens of questions; for [budget], where the price is not known (0: free)
# usd_per_million_output = 2               # tokens of answers
# usd_per_million_cached = 0.025           # tokens of questions that are in the provider's cache; else as the others

# -- where people write ------------------------------------------------------------------------------------------------

[channels.local]
type = "local"                             # chat in a terminal: bridge-mcp chat
# responder = "assistant"                  # assistant: the model answers; relay: MCP clients do; off: nobody
# model = "default"
# system_prompt = "You are a helpful assistant."
# tool_servers = ["time"]                  # without this line: all of them
# chat_context = true                      # tell the model where it is, who writes, and when
# timezone = "Europe/Berlin"               # in which it is told times; without this line: UTC
# builtin_tools = ["whoami", "send_message", "ask_user", "remind"]   # what the assistant can do in the bridge itself

"""
"""The part before the channels."""

TAIL = """\
# -- tools: nested MCP servers -----------------------------------------------------------------------------------------

# [tool_servers.time]
# command = "uvx"
# args = ["mcp-server-time"]
# env = { TZ = "UTC" }
# env_pass = ["LANG"]                      # of the bridge's own variables, the child gets only these
# confirmation = "never"                   # required, never, or default (what [approvals] says)
# allowed_tools = ["get_*"]
# timeout_s = 60
# allowed_resources = ["docs://*"]         # none without this line; the assistant reads them with time__read_resource
# allowed_prompts = ["*"]                  # none without this line; time__get_prompt
# instructions = true                      # let it say in the system prompt how its tools are used
# pinned = true                            # a tool that changed since it was first seen asks, whatever else holds
# run = "one"                              # on Postgres: it keeps state, so one worker at a time runs it, for all

# [tool_servers.files]
# url = "http://127.0.0.1:9000/mcp"
# token_env = "FILES_TOKEN"                # or: auth = "oauth", and once: bridge-mcp servers login files
# transport = "sse"                        # the older kind; without this line: by the url, which then ends in /sse
# [tool_servers.files.tools."delete_*"]
# confirmation = "required"

# -- what asks first ---------------------------------------------------------------------------------------------------

[approvals]
confirmation = "by-annotation"             # read-only tools run, others ask; or: required, never
expires_s = 600                            # 0: never
# route = "family/42"                      # where prompts go; without it: the chat that asked; "agents": no chat
# remind_s = 120                           # say it again while nobody decides
# escalate_s = 300                         # then ask in escalate_to as well
# escalate_to = "family/7"
# quorum = 1                               # how many different approvers it takes
# review = { model = "small", policy = "policy.md", may = "advise" }  # a model that looks first; approve: it decides
# separate = false                         # true: whoever started a turn may not decide what it asks for
# doors_decide = false                     # true: stdio, a gate or a hook may decide what another of them asked
# cli = true                               # false: no verdicts on the command line
# provider = false                         # true: clients may ask for verdicts on calls that they run themselves
# [people.ann]                             # one person: quorum counts people, and only those that are named
# principals = ["owner", "family:42"]      # owner (this machine), clients by name, users as channel:user_id
# [approvals.tools."files__delete_*"]      # all of the above for single tools; also [channels.family.tools."…"]
# confirmation = "required"
# quorum = 2

# -- who may do what over MCP ------------------------------------------------------------------------------------------

# [clients.stdio]                          # whoever starts bridge-mcp as a host
# scopes = ["read", "send", "approve", "tools"]
# expose = ["files"]                       # tool servers whose tools, resources, prompts are its own too; "*": all
# person_decides = true                    # you sit there: its form (elicitation) asks you about calls it wants

# [clients.supervisor]                     # over HTTP: bridge-mcp serve --http 127.0.0.1:8765
# token_env = "SUPERVISOR_TOKEN"
# scopes = ["read", "approve"]
# channels = ["family"]                    # without these two lines: everywhere
# conversations = ["family/42"]
# # Clients can also be let in, and revoked, while the bridge runs: bridge-mcp clients add NAME --scopes read,approve

# [http]
# allowed_hosts = ["bridge.example.org"]
# allowed_origins = ["https://bridge.example.org"]
# rate_per_s = 200                         # requests of one client in the long run; 0: any number
# burst = 1000                             # and at once
# [http.oauth]                             # take tokens (JWT) of an authorization server as well
# issuer = "https://login.example.org"
# jwks_url = "https://login.example.org/.well-known/jwks.json"
# resource = "https://bridge.example.org/mcp"
# scopes = { "bridge.read" = ["read"], "bridge.approve" = ["read", "approve"] }

# -- limits ------------------------------------------------------------------------------------------------------------

# [engine]
# max_turns = 64                           # conversations driven at once
# model_calls = 25                         # in one turn
# tool_rounds = 24
# work_s = 900                             # seconds of work in one turn; waiting for people does not count
# attempts = 4                             # before a call that fails is given up

# [log]                                    # what goes to standard error; --log-level says how much
# format = "text"                          # json: an object a line

# [telemetry]                              # traces and metrics by OpenTelemetry (extra: otel)
# endpoint = "http://127.0.0.1:4318"       # a collector that takes OTLP over HTTP
# contents = false                         # true: what was said, arguments and results too
# sample = 1.0                             # the share of turns that are traced

# [budget]                                 # of models, in a day (UTC); without a line: no cap
# usd_per_day = 5.0
# usd_per_channel_day = 2.0
# usd_per_conversation_day = 0.5
# tokens_per_day = 2000000                 # and tokens_per_channel_day, tokens_per_conversation_day
# unknown_price = "allow"                  # stop: where dollars are capped, no call whose price nobody knows

# [events]                                 # MCP Events: without a delivery there are none for clients
# delivery = ["poll", "webhook"]           # webhook: posted, signed, to callbacks of clients with a token
# local_hosts = ["10.0.0.5:8443"]          # callbacks that are not public https addresses
# max_subscriptions = 20                   # webhooks of one client

# [store]
# url = "sqlite:///bridge.db"              # without this line: in the state folder (BRIDGE_MCP_STATE_DIR)
# url_env = "STORE_URL"                    # or postgresql://USER:PASSWORD@HOST/DATABASE, for many machines
# reads_at_once = 4                        # on Postgres: connections for reads, and half as many for searches
# max_file_mb = 20                         # files from tools and chats, kept beside the store: one of them,
# max_files_mb = 1000                      # and all together; beyond that the oldest are removed
"""
"""The part after the channels."""


def template() -> str:
    """The whole file, with an example of each built-in type of channel."""
    examples = (plug(name).type.template for name in BUILT_IN)
    return HEAD + "".join(f"{example}\n" for example in examples if example) + TAIL
