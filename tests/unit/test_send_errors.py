"""Every reason why a message did not go out to Slack names the next move."""

from __future__ import annotations

import pytest

from bridge_mcp.channels.slack.send.errors import FIXES, TOKENS, failure
from bridge_mcp.channels.slack.web import SlackFault


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("wait", [None, 3.0])
@pytest.mark.parametrize("error", ["", "an_error_nobody_knows", *FIXES, *TOKENS])
def test_every_failure_names_a_fix(error: str, wait: float | None, begun: bool) -> None:
    for harmless in (False, True):
        assert failure(
            SlackFault(error, "Slack said no", retry_after_s=wait, begun=begun), "work/C1", harmless=harmless
        ).fix
