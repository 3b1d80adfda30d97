"""Matrix as a type of channel of bridge_mcp. Loads nothing of matrix-nio."""

from __future__ import annotations

import re

from bridge_matrix.channel import MatrixChannel, MatrixSettings
from bridge_mcp.channels.plug import ChannelType, Given, KeyReader, PlatformKeys, Text

__all__ = ["TYPE"]

USER = r"@[A-Za-z0-9._=+-]{1,60}:[A-Za-z0-9.:-]{1,60}"


class MatrixKeys(PlatformKeys):
    """[channels.NAME] of type "matrix": a user on a homeserver."""

    homeserver: Text
    """Its address."""
    user: Text
    """The bridge's own user, like `@bridge:example.org`."""
    token_env: Text | None = None
    """The variable that holds that user's access token."""
    token_file: Text | None = None
    """The file that holds it."""


def check(section: MatrixKeys, keys: KeyReader) -> MatrixSettings:
    """One user's settings."""
    keys.web_address("homeserver", section.homeserver)
    if not re.fullmatch(USER, section.user):
        keys.problem("user", "this is not a user of Matrix.", "Write it like @bridge:example.org.")
    token = keys.secret("token")
    if not (section.token_env or section.token_file):
        keys.problem("", "a matrix channel needs a token.", 'Add token_env = "MATRIX_TOKEN" and set that variable.')
    return MatrixSettings(keys.name, section.homeserver, section.user, token=token, lacking=keys.lacking())


def make(settings: MatrixSettings, given: Given) -> MatrixChannel:
    """The channel of one user."""
    return MatrixChannel(settings, given.clock)


TYPE = ChannelType(MatrixKeys, check, make, user_id=USER)
"""What the entry point names."""
