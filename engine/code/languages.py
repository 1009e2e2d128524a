"""The languages Unmask knows: one table, from an LSP identifier or a path to what the engine needs to know.

Grammars are imported when one is first used. Knows no file contents; every unknown thing is plain text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tree_sitter


class BlockStyle(Enum):
    """How a language opens and closes its blocks."""

    COLON = "colon"  # a colon opens, falling indentation closes
    BRACE = "brace"  # { and }
    END = "end"  # a keyword opens, `end`, `fi`, `done` close
    NONE = "none"  # no blocks


TARGETS = ("python", "javascript", "typescript", "go", "rust", "java", "cpp")
"""The languages, by identifier, that code is rewritten to, and from."""

_NEVER = r"(?!)"


@dataclass(frozen=True, slots=True)
class Language:
    """What the engine knows of a language.

    Attributes:
        id: the LSP language identifier.
        title: its name for people.
        extensions: file name endings, with the dot, in lower case.
        file_names: whole file names, in lower case.
        aliases: other identifiers editors send.
        line_comment: what starts a comment to the end of the line; empty where there is none.
        block: how blocks are opened and closed.
        opener: regular expression, matched at the end of a line of code that opens a block.
        closer: regular expression, matched at the start of a stripped line that ends the block before it.
        block_ends: lines that may close an opened block, where a keyword does.
        literals: the kinds of string literals for ``engine.code.brackets``.
        grammar: module and function of the tree-sitter grammar; None: never parsed.
        queries: files of ``engine/queries`` that make up its query, without ``.scm``.
    """

    id: str
    title: str
    extensions: tuple[str, ...] = ()
    file_names: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    line_comment: str = ""
    block: BlockStyle = BlockStyle.NONE
    opener: str = _NEVER
    closer: str = _NEVER
    block_ends: tuple[str, ...] = ()
    literals: tuple[str, ...] = ()
    grammar: tuple[str, str] | None = None
    queries: tuple[str, ...] = ()


_BRACE_OPENER = r"\{\s*$|^\s*(?:case\b.*|default\s*):\s*$"
_BRACE_CLOSER = r"\}"
_C_LITERALS = ("double", "single")

PLAINTEXT = Language("plaintext", "plain text", (".txt", ".md", ".rst"))

LANGUAGES: tuple[Language, ...] = (
    Language(
        "python",
        "Python",
        (".py", ".pyi", ".pyw"),
        ("sconstruct", "sconscript", "wscript"),
        ("py", "python3"),
        line_comment="#",
        block=BlockStyle.COLON,
        opener=(
            r"^\s*(?:async\s+)?(?:def|class|if|elif|else|for|while|with|try|except|finally|match|case)\b.*:\s*$"
            r"|[)\]][^:]*:\s*$"
        ),
        literals=("triple", "double", "single"),
        grammar=("tree_sitter_python", "language"),
        queries=("python",),
    ),
    Language(
        "javascript",
        "JavaScript",
        (".js", ".mjs", ".cjs", ".jsx"),
        ("jakefile",),
        ("js", "jsx", "javascriptreact"),
        line_comment="//",
        block=BlockStyle.BRACE,
        opener=_BRACE_OPENER,
        closer=_BRACE_CLOSER,
        literals=("double", "single", "backtick"),
        grammar=("tree_sitter_javascript", "language"),
        queries=("javascript",),
    ),
    Language(
        "typescript",
        "TypeScript",
        (".ts", ".mts", ".cts"),
        (),
        ("ts",),
        line_comment="//",
        block=BlockStyle.BRACE,
        opener=_BRACE_OPENER,
        closer=_BRACE_CLOSER,
        literals=("double", "single", "backtick"),
        grammar=("tree_sitter_typescript", "language_typescript"),
        queries=("javascript", "typescript"),
    ),
    Language(
        "typescriptreact",
        "TSX",
        (".tsx",),
        (),
        ("tsx",),
        line_comment="//",
        block=BlockStyle.BRACE,
        opener=_BRACE_OPENER,
        closer=_BRACE_CLOSER,
        literals=("double", "single", "backtick"),
        grammar=("tree_sitter_typescript", "language_tsx"),
        queries=("javascript", "typescript"),
    ),
    Language(
        "go",
        "Go",
        (".go",),
        (),
        ("golang",),
        line_comment="//",
        block=BlockStyle.BRACE,
        opener=_BRACE_OPENER,
        closer=_BRACE_CLOSER,
        literals=("double", "single", "raw_backtick"),
        grammar=("tree_sitter_go", "language"),
        queries=("go",),
    ),
    Language(
        "rust",
        "Rust",
        (".rs",),
        (),
        ("rs",),
        line_comment="//",
        block=BlockStyle.BRACE,
        opener=_BRACE_OPENER,
        closer=_BRACE_CLOSER,
        literals=("rust_raw", "long_double", "char"),
        grammar=("tree_sitter_rust", "language"),
        queries=("rust",),
    ),
    Language(
        "java",
        "Java",
        (".java",),
        line_comment="//",
        block=BlockStyle.BRACE,
        opener=_BRACE_OPENER,
        closer=_BRACE_CLOSER,
        literals=("triple", "double", "single"),
        grammar=("tree_sitter_java", "language"),
        queries=("java",),
    ),
    Language(
        "c",
        "C",
        (".c", ".h"),
        line_comment="//",
        block=BlockStyle.BRACE,
        opener=_BRACE_OPENER,
        closer=_BRACE_CLOSER,
        literals=_C_LITERALS,
        grammar=("tree_sitter_c", "language"),
        queries=("c",),
    ),
    Language(
        "cpp",
        "C++",
        (".cc", ".cpp", ".cxx", ".c++", ".hh", ".hpp", ".hxx", ".h++", ".ipp", ".inl", ".tpp"),
        (),
        ("c++",),
        line_comment="//",
        block=BlockStyle.BRACE,
        opener=_BRACE_OPENER + r"|^\s*(?:public|private|protected)\s*:\s*$",
        closer=_BRACE_CLOSER,
        literals=_C_LITERALS,
        grammar=("tree_sitter_cpp", "language"),
        queries=("c", "cpp"),
    ),
    Language(
        "csharp",
        "C#",
        (".cs", ".csx"),
        (),
        ("cs", "c#"),
        line_comment="//",
        block=BlockStyle.BRACE,
        opener=_BRACE_OPENER,
        closer=_BRACE_CLOSER,
        literals=("triple", "double", "single"),
        grammar=("tree_sitter_c_sharp", "language"),
        queries=("csharp",),
    ),
    Language(
        "ruby",
        "Ruby",
        (".rb", ".rake", ".gemspec", ".ru"),
        ("rakefile", "gemfile", "vagrantfile", "guardfile", "podfile", "brewfile"),
        ("rb",),
        line_comment="#",
        block=BlockStyle.END,
        opener=(
            r"^\s*(?:def|class|module|if|unless|while|until|case|for|begin|else|elsif|when|in|rescue|ensure)\b"
            r"(?!.*\bend\s*$).*$|\b(?:do|then)(?:\s*\|[^|]*\|)?\s*$|\{(?:\s*\|[^|]*\|)?\s*$"
        ),
        closer=r"(?:end|else|elsif|when|in|rescue|ensure)\b|\}",
        block_ends=("end",),
        literals=("double", "single", "backtick"),
        grammar=("tree_sitter_ruby", "language"),
        queries=("ruby",),
    ),
    Language(
        "php",
        "PHP",
        (".php", ".phtml", ".php5", ".php7", ".php8"),
        line_comment="//",
        block=BlockStyle.BRACE,
        opener=_BRACE_OPENER + r"|^\s*(?:if|else|elseif|for|foreach|while|switch)\b.*:\s*$",
        closer=r"\}|end(?:if|for|foreach|while|switch)\b|else\b|elseif\b",
        literals=("long_double", "long_single"),
        grammar=("tree_sitter_php", "language_php"),
        queries=("php",),
    ),
    Language(
        "shellscript",
        "Bash",
        (".sh", ".bash", ".zsh", ".ksh", ".bats"),
        (
            ".bashrc",
            ".bash_profile",
            ".bash_aliases",
            ".profile",
            ".zshrc",
            ".zprofile",
            "pkgbuild",
            "apkbuild",
        ),
        ("sh", "bash", "shell", "zsh", "ksh"),
        line_comment="#",
        block=BlockStyle.END,
        opener=r"(?:^|[\s;])(?:do|then|else)\s*$|\{\s*$|\(\s*$|^\s*[^()\s]+\)\s*$",
        closer=r"(?:fi|done|esac|else|elif)\b|\}|;;",
        block_ends=("done", "fi", "esac"),
        literals=("long_double", "raw_single", "backtick"),
        grammar=("tree_sitter_bash", "language"),
        queries=("bash",),
    ),
)


def by_id(language_id: str) -> Language:
    """The language of an LSP identifier or an alias of one; plain text where it is unknown."""
    return _by_id().get(language_id.strip().lower(), PLAINTEXT)


def by_path(path: str | PurePath) -> Language:
    """The language of a file by its name alone; plain text where it is unknown."""
    name = re.split(r"[\\/]", str(path))[-1].lower()
    known = _by_name()
    dot = name.rfind(".")
    return known.get(name) or known.get(name[dot:] if dot >= 0 else "", PLAINTEXT)


@cache
def grammar_of(language: Language) -> tree_sitter.Language | None:
    """The tree-sitter grammar, imported on the first call; None for a language without one."""
    if language.grammar is None:
        return None
    import tree_sitter  # noqa: PLC0415 - loaded when a text is first parsed

    module, function = language.grammar
    return tree_sitter.Language(getattr(import_module(module), function)())


@cache
def _by_id() -> dict[str, Language]:
    return {key: language for language in LANGUAGES for key in (language.id, *language.aliases)}


@cache
def _by_name() -> dict[str, Language]:
    return {key: language for language in LANGUAGES for key in (*language.file_names, *language.extensions)}
