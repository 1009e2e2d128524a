"""Words that a new name must not be: keywords, and what every file has without defining it. Pure data."""

from __future__ import annotations

import builtins
import keyword

_JAVASCRIPT = (
    "abstract any arguments as async await boolean break case catch class const continue "
    "debugger declare default "
    "delete do else enum eval export extends false finally for from function get if "
    "implements import in "
    "instanceof interface is let module namespace never new null number object of package "
    "private protected "
    "public readonly return set static string super switch symbol this throw true try type "
    "typeof undefined "
    "unknown var void while with yield Array Boolean Date Error JSON Map Math Number Object "
    "Promise RegExp Set "
    "String Symbol console document window process require global globalThis name event length"
)
_GO = (
    "append any bool break byte cap case chan clear close complex complex128 complex64 const "
    "continue copy default "
    "defer delete else error fallthrough false float32 float64 for func go goto if imag "
    "import int int16 int32 "
    "int64 int8 interface iota len make map max min new nil package panic print println "
    "range real recover return "
    "rune select string struct switch true type uint uint16 uint32 uint64 uint8 uintptr var"
)
_RUST = (
    "abstract as async await become box break const continue crate do dyn else enum extern "
    "false final fn for gen if "
    "impl in let loop macro match mod move mut override priv pub ref return self Self static "
    "struct super trait "
    "true try type typeof union unsafe unsized use virtual where while yield bool char f32 "
    "f64 i8 i16 i32 i64 "
    "i128 isize str u8 u16 u32 u64 u128 usize Some None Ok Err Vec String Box Option Result"
)
_JAVA = (
    "abstract assert boolean break byte case catch char class const continue default do "
    "double else enum extends "
    "false final finally float for goto if implements import instanceof int interface long "
    "native new null "
    "package private protected public record return sealed short static strictfp super "
    "switch synchronized this "
    "throw throws transient true try var void volatile while yield String Object System Integer"
)
_CPP = (
    "alignas alignof and asm auto bitand bitor bool break case catch char class compl "
    "concept const consteval "
    "constexpr const_cast continue co_await co_return co_yield decltype default delete do "
    "double dynamic_cast else "
    "enum explicit export extern false float for friend goto if inline int long mutable "
    "namespace new noexcept not "
    "nullptr operator or private protected public register reinterpret_cast requires return "
    "short signed sizeof "
    "static static_assert static_cast struct switch template this thread_local throw true "
    "try typedef typeid "
    "typename union unsigned using virtual void volatile wchar_t while xor std string vector "
    "map set size_t"
)

RESERVED: dict[str, frozenset[str]] = {
    "python": frozenset({*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "self", "cls"}),
    "javascript": frozenset(_JAVASCRIPT.split()),
    "typescript": frozenset(_JAVASCRIPT.split()),
    "typescriptreact": frozenset(_JAVASCRIPT.split()),
    "go": frozenset(_GO.split()),
    "rust": frozenset(_RUST.split()),
    "java": frozenset(_JAVA.split()),
    "cpp": frozenset(_CPP.split()),
}
"""By language, as LSP identifiers."""
