"""What can go wrong between the tests and an editor."""

from __future__ import annotations


class NotInstalled(Exception):  # noqa: N818 - it says what is so, not that something failed
    """An editor cannot be installed here; the message says why."""
