"""Every error a user can cause or meet, in one tree.

    UnmaskError                     exit code
    ├── UsageError                  2   a wrong option, position or request
    │   ├── ConfigError             2   a setting that cannot be used
    │   └── PositionError           2   a line, column or range outside the file
    ├── TextError                   2   a file that is not text we can read
    ├── ModelError                  3   weights or an artifact that cannot be used
    │   ├── ModelNotFoundError      3   no such model, or not on this machine while offline
    │   ├── SourceError             3   no source delivered the weights
    │   ├── IntegrityError          3   wrong size or sha256: truncated or tampered
    │   ├── ArtifactError           3   a manifest or graph that does not hold together
    │   └── StoreError              3   the cache directory is read-only, full or unusable
    ├── BackendError                4   ONNX Runtime cannot start or run the graph
    └── Cancelled                   130 asked to stop; nothing was changed

A message is one line: the cause, then the remedy. Broken user *code* is data and never an error.
"""

from __future__ import annotations


class UnmaskError(Exception):
    """Base of all named errors.

    Args:
        cause: what is wrong, naming the thing (file, option, model) it is wrong with.
        remedy: what the user can do about it, as an imperative sentence; may be empty.
    """

    exit_code = 1

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(cause, remedy)
        self.cause = cause
        self.remedy = remedy

    def __str__(self) -> str:
        text = f"{self.cause.rstrip('.')}. {self.remedy}" if self.remedy else self.cause
        return " ".join(text.split())


class UsageError(UnmaskError):
    """A wrong option, position or request."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting that cannot be used."""


class PositionError(UsageError):
    """A line, column or range outside the file."""


class TextError(UnmaskError):
    """A file that is not text we can read."""

    exit_code = 2


class ModelError(UnmaskError):
    """Weights or an artifact that cannot be used."""

    exit_code = 3


class ModelNotFoundError(ModelError):
    """No model of that name, or not on this machine while offline."""


def edit_model_missing(name: str) -> ModelNotFoundError:
    """A second model that is not there; it is never fetched of itself, in the midst of an edit."""
    return ModelNotFoundError(
        f"{name}, the model for edits in words, is not on this machine", f"Run `unmask models pull {name}`."
    )


class SourceError(ModelError):
    """No source delivered the weights."""


class IntegrityError(ModelError):
    """Wrong size or sha256: truncated or tampered."""


class ArtifactError(ModelError):
    """A manifest or graph that does not hold together."""


class StoreError(ModelError):
    """The cache directory is read-only, full or otherwise unusable."""


class BackendError(UnmaskError):
    """ONNX Runtime cannot start or run the graph."""

    exit_code = 4


class Cancelled(UnmaskError):  # noqa: N818  (an event, as in concurrent.futures)
    """Asked to stop; nothing was changed."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("cancelled")
