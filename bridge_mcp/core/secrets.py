"""The length from which on a value counts as a secret, and is hidden wherever it would be shown."""

from __future__ import annotations

__all__ = ["MIN_SECRET"]

MIN_SECRET = 8
"""Characters. Shorter values are placeholders, or words like "true": hiding them would only garble what is said."""
