"""What is sent: items, edits, actions, status."""

from lsprotocol import types
from pygls.workspace import PositionCodec

from engine.types import CanvasFrame, Span
from lsp_server import to_lsp
from lsp_server.documents import Document
from lsp_server.from_lsp import Target
from lsp_server.host import Status
from lsp_server.suggestions import Shown

RANGE = types.Range(types.Position(0, 5), types.Position(0, 5))
TARGET = Target("file:///a.py", 3, RANGE, "range")


def document(text: str = "x = '😀'; fo\r\n") -> Document:
    return Document("file:///a.py", text, 7, "python", position_codec=PositionCodec())


def test_ghost_text_reports_its_acceptance():
    item = to_lsp.inline_completion(Shown(12, "", "", "", "", "o(1)"), RANGE, typed="fo")
    assert (item.insert_text, item.filter_text, item.range) == ("foo(1)", "foo(1)", RANGE)
    assert item.command is not None
    assert (item.command.command, item.command.arguments) == ("unmask.accepted", [12])


def test_a_completion_replaces_the_word_before_the_cursor_and_sorts_last():
    held = document()
    start_char = held.source.index("fo")
    shown = Shown(1, "", "", "", "", "o(\r\n    1)")
    item = to_lsp.completion(held, shown, Span(start_char, start_char + 2), "fo")
    assert isinstance(item.text_edit, types.TextEdit)
    assert item.text_edit.new_text == "foo(\r\n    1)"
    assert item.text_edit.range == types.Range(types.Position(0, 10), types.Position(0, 12))
    assert item.label == "foo( …"
    assert item.filter_text == "fo"
    assert item.preselect is False
    assert item.sort_text is not None
    assert item.sort_text > "zzz"


def test_several_edits_are_one_versioned_workspace_edit():
    edit = to_lsp.workspace_edit(document(), [(Span(0, 1), "y"), (Span(5, 6), "z")], versioned=True)
    assert edit.changes is None
    assert edit.document_changes is not None
    (change,) = edit.document_changes
    assert isinstance(change, types.TextDocumentEdit)
    assert change.text_document.version == 7
    assert [part.range.start.character for part in change.edits] == [0, 5]
    assert [part.range.end.character for part in change.edits] == [1, 7]


def test_clients_without_versions_get_changes():
    edit = to_lsp.workspace_edit(document(), [(Span(0, 1), "y")], versioned=False)
    assert edit.document_changes is None
    assert edit.changes is not None
    assert [part.new_text for part in edit.changes["file:///a.py"]] == ["y"]


def test_an_action_is_resolved_or_else_a_command():
    later = to_lsp.code_action("t", TARGET, resolvable=True)
    assert (later.command, later.edit) == (None, None)
    assert later.data == to_lsp.target(TARGET)
    now = to_lsp.code_action("t", TARGET, resolvable=False)
    assert now.command is not None
    assert (now.command.command, now.command.arguments) == ("unmask.fill", [to_lsp.target(TARGET)])
    assert later.kind == now.kind == "refactor.rewrite.unmask.fill"


def test_status():
    told = to_lsp.status(Status("loading", "Loading fake", "fake", 40))
    assert told == {
        "state": "loading", "message": "Loading fake", "model": "fake", "percent": 40, "reloading": False,
    }  # fmt: skip


def test_a_masked_slot_of_a_canvas_is_null():
    frame = CanvasFrame(hole=0, step=2, pieces=("a", None), done=False)
    told = to_lsp.canvas("file:///a.py", 7, [RANGE], frame)
    assert (told["pieces"], told["step"], told["done"]) == (["a", None], 2, False)
    assert told["range"]["start"] == {"line": 0, "character": 5}
