"""A real llama.cpp server on loopback: `python -m tests.servers.llama MODEL.gguf`.

It prints its address and serves until its standard input ends. Its chat template is as strict about the order of roles
as those of Mistral and Gemma are.
"""

from __future__ import annotations

import importlib
import sys

TEMPLATE = """\
{%- for message in messages -%}
{%- if message.role == 'system' -%}
{%- if not loop.first -%}{{ raise_exception('The system message must be the first.') }}{%- endif -%}
{%- elif not loop.first and messages[loop.index0 - 1].role == message.role and message.role != 'tool' -%}
{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
{%- elif message.role == 'user' and not loop.first and messages[loop.index0 - 1].role == 'tool' -%}
{{ raise_exception('Unexpected role user after role tool: roles must alternate') }}
{%- endif -%}
{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}
"""


def main() -> None:
    """Serve."""
    library = importlib.import_module("xllamacpp")
    params = library.CommonParams()
    params.model.path = sys.argv[1]
    params.n_ctx, params.n_parallel, params.port = 4096, 2, 0
    params.use_jinja, params.chat_template, params.warmup = True, TEMPLATE, False
    server = library.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
