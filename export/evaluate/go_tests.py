"""Go with tests in testify's words to a Go program that needs nothing but the standard library.

Imports are made from what is used, as an editor's tool would: in Go one too many does not compile. The
assertions are a stand-in of our own, of which HumanEval-X needs one.
"""

from __future__ import annotations

import re

PACKAGES = {
    name.rpartition("/")[2]: name
    for name in (
        *(
            "bufio",
            "bytes",
            "container/heap",
            "container/list",
            "crypto/md5",
            "encoding/hex",
            "errors",
            "fmt",
        ),
        *("math", "math/big", "math/bits", "math/cmplx", "math/rand", "os", "reflect", "regexp", "sort"),
        *("strconv", "strings", "testing", "time", "unicode", "unicode/utf8"),
    )
}
"""What a package is called in code, to what it is imported as."""

_ASSERT = """
type assertions struct{ t *testing.T }

type asserting struct{}

var assert asserting

func (asserting) New(t *testing.T) assertions { return assertions{t} }

func (a assertions) Equal(wanted, given interface{}, _ ...interface{}) {
	if !reflect.DeepEqual(wanted, given) {
		a.t.Fatalf("error: wanted %v, given %v", wanted, given)
	}
}
"""

_IMPORTS = re.compile(r"^import\s*(?:\([^)]*\)|(?:\w+\s+)?\"[^\"\n]*\")\s*?$", re.MULTILINE)
_PACKAGE = re.compile(r"^package \w+\s*?$", re.MULTILINE)
_USED = re.compile(r"\b([a-z]\w*)\.[A-Z]")


def go_program(code: str) -> str:
    """A test file of some functions and their tests, whatever they import themselves."""
    body = _PACKAGE.sub("", _IMPORTS.sub("", code)) + _ASSERT
    used = sorted({PACKAGES[name] for name in _USED.findall(body) if name in PACKAGES})
    imports = "\n".join(f'\t"{name}"' for name in used)
    return f"package main\n\nimport (\n{imports}\n)\n{body}"
