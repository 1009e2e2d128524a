"""A Python definition to its decorators: what each says behind its ``@``, and what it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.code.syntax import text_of

if TYPE_CHECKING:
    from tree_sitter import Node


def decorators_of(definition: Node) -> list[str]:
    """What stands behind the ``@`` of each decorator of a function or class, in order; empty without any."""
    above = definition.parent
    if above is None or above.type != "decorated_definition":
        return []
    return [text_of(child).lstrip("@").strip() for child in above.children if child.type == "decorator"]


def last_name(decorator: str) -> str:
    """The last part of what a decorator is called: ``fixture`` of ``pytest.fixture(scope="module")``."""
    return decorator.partition("(")[0].rpartition(".")[2].strip()
