"""Token codec: exact bytes, no injected special tokens, healing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

from engine.denoising.tokens import MAX_HEAL_CHARS, TokenCodec
from engine.models.assemble import bpe_tokenizer
from tests.conftest import TinyModel

BYTES = TokenCodec.of_bytes(["<|end|>"])


def tiny_codec(model: TinyModel) -> TokenCodec:
    return TokenCodec.from_file(model.manifest.path(model.manifest.tokenizer))


@given(st.text())
def test_bytes_round_trip(text: str) -> None:
    assert BYTES.decode(BYTES.encode(text)) == text


def test_special_tokens_in_user_text_are_text(tiny_f32: TinyModel) -> None:
    codec = tiny_codec(tiny_f32)
    text = "x = '<|fim_prefix|>' # <|endoftext|>"
    ids = codec.encode(text)
    assert codec.id_of("<|fim_prefix|>") not in ids
    assert codec.decode_bytes(ids) == text.encode()


def test_half_a_character_at_the_end_is_left_out() -> None:
    ids = BYTES.encode("a€")
    assert BYTES.decode(ids[:-1]) == "a"


def test_continuing_tokens_agree_with_the_wanted_bytes(tiny_f32: TinyModel) -> None:
    codec = tiny_codec(tiny_f32)
    found = {codec.token_bytes[i] for i in codec.continuing(b"retu")}
    assert found == {b"r", b"re", b"ret", b"retu", b"retur", b"return"}


def test_healing_takes_back_the_half_typed_piece(tiny_f32: TinyModel) -> None:
    codec = tiny_codec(tiny_f32)
    assert codec.split_for_healing("x = self.resp") == ("x = self", ".resp")
    assert codec.split_for_healing("if a:\n        ") == ("if a:\n", "        ")
    assert codec.split_for_healing("if a:\n") == ("if a:\n", "")
    assert codec.split_for_healing("") == ("", "")


def test_the_token_behind_a_healed_piece_says_more_than_it(tiny_f32: TinyModel) -> None:
    codec = tiny_codec(tiny_f32)
    (merged,) = codec.encode("return")
    assert codec.first_behind("", "return") == codec.first_behind("retu", "rn") == merged
    assert codec.first_behind("(", "return") == codec.encode("(return")[-1]
    assert BYTES.first_behind("é", "x") == BYTES.encode("x")[0]


def test_healing_leaves_an_endless_piece_alone(tiny_f32: TinyModel) -> None:
    codec = tiny_codec(tiny_f32)
    text = "# " + "-" * (MAX_HEAL_CHARS + 1)
    assert codec.split_for_healing(text) == (text, "")


def test_a_vocabulary_of_bytes_has_nothing_to_heal() -> None:
    assert BYTES.split_for_healing("self.resp") == ("self.resp", "")


def test_healing_only_cuts(tiny_f32: TinyModel) -> None:
    codec = tiny_codec(tiny_f32)

    @given(st.text(max_size=80))
    def only_cuts(text: str) -> None:
        kept, piece = codec.split_for_healing(text)
        assert kept + piece == text

    only_cuts()


def test_a_vocabulary_that_writes_spaces_as_low_lines() -> None:
    """Gemma's kind: bytes that have no token of their own are written by their number."""
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "b", "▁a", "▁▁"]
    vocab = {piece: i for i, piece in enumerate(pieces)}
    bpe = models.BPE(vocab=vocab, merges=[("▁", "a"), ("▁", "▁")], unk_token="<unk>", byte_fallback=True)
    tokenizer = Tokenizer(bpe)
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    codec = TokenCodec(tokenizer)
    text = "ab  a\n\tπ 🎉\r\n"
    assert codec.decode(codec.encode(text)) == text
    assert codec.token_bytes[vocab["▁a"]] == b" a" and codec.token_bytes[vocab["<0x0A>"]] == b"\n"
    assert codec.split_for_healing("ab a") == ("ab a", "")  # its pieces are no words: nothing is taken back
    assert {codec.token_bytes[i] for i in codec.continuing(b" a")} == {b" a", b" "}


def test_ids_beyond_a_gap_are_part_of_the_vocabulary() -> None:
    tokenizer = Tokenizer(models.BPE(vocab={"a": 0, "Ġ": 7}, merges=[]))
    tokenizer.decoder = decoders.ByteLevel()
    assert TokenCodec(tokenizer).n_vocab == 2
    assert TokenCodec(tokenizer).token_bytes[7] == b" "
    tokenizer.add_special_tokens([AddedToken("<end>", special=True)])
    codec = TokenCodec(tokenizer)
    end = tokenizer.token_to_id("<end>")
    assert codec.n_vocab == max(3, end + 1)
    codec.widen(300)
    assert codec.decode([0, 299, end, 7]) == "a "


def test_special_tokens_keep_their_ids_where_other_tokens_follow_them() -> None:
    vocab = {"a": 0, "b": 1, "<": 3, "s": 4, ">": 5}
    codec = TokenCodec.from_bytes(bpe_tokenizer("qwen2", vocab, [], {2: "<s>"}))
    assert codec.id_of("<s>") == 2
    assert codec.encode("a<s>b") == [0, 3, 4, 5, 1]
    assert codec.decode([0, 2, 1]) == "ab"
    assert (codec.n_vocab, codec.token_bytes[2]) == (6, b"")
