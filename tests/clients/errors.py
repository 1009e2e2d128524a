"""What can go wrong between the tests and an editor."""

from __future__ import annotations


class InstallError(Exception):
    """An editor cannot be installed here; the message says why."""
