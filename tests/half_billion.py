"""Half a billion random parameters of each family through the whole chain:
``python -m tests.half_billion [KIND …] [--quantization q8] [--work DIR]``.

Each kind of checkpoint is written as its makers lay it out (config and tensor names, bfloat16, in shards,
with the tokenizer of Qwen2.5), exported with ``unmask export --from``, asked by ``unmask fill`` and by an
editor, and removed. Prints a row of a table for each, with time and peak memory. What is filled is noise:
this shows that a checkpoint of that size goes through, what it costs, and that the server answers.
``real`` has the real weights of Qwen2.5-Coder-0.5B under Fast-dLLM v2's config, in blocks of one token, and
must fill what the base fills.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psutil
import torch
from safetensors.torch import save_file

from engine.config import EngineConfig
from engine.models.loading import find_artifact
from engine.weights import catalog
from engine.weights.store import ModelStore
from export.base import GgufBase
from export.checkpoint import Checkpoint
from export.convert import expected_tensors
from export.families import recognise
from export.family import Wishes
from tests.checkpoints import CONFIGS
from tests.e2e.conftest import environment
from tests.e2e.rpc import Client, inline

EOS, MASK, BOS, EXPAND = 151643, 151665, 151666, 151667
ADDED = {MASK: "<|mask|>", BOS: "<|beginoftext|>", EXPAND: "<|expand|>"}
N_VOCAB, SHARD_BYTES, PATIENCE_S = 151_936, 400_000_000, 400.0
HOLE = "def add(a, b): return <hole>\nprint(add(1, 2))\n"
FILE = "def add(a, b):\n    return \n\nprint(add(1, 2))\n"
PROMPTS = (
    "def area(radius):\n    return <hole>\n\nprint(area(2))\n",
    "function last(items) {\n  return <hole>;\n}\n",
    "def mean(values):\n    total = <hole>\n    return total / len(values)\n",
    "import os\n\nfor name in sorted(<hole>):\n    print(name)\n",
    "class Stack:\n    def __init__(self):\n        self.ite<hole>\n\n    def push(self, item):\n",
)

_QWEN2 = {
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "rope_theta": 1_000_000.0,
}
_QWEN3 = {
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "rope_theta": 1_000_000.0,
    "tie_word_embeddings": True,
}
_LLAMA = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 16,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "tie_word_embeddings": True,
}
_SHAPES: dict[str, dict[str, Any]] = {
    "llada": {"d_model": 1024, "n_heads": 16, "n_kv_heads": 16, "n_layers": 16, "mlp_hidden_size": 3072},
    "a2d-qwen3": _QWEN3,
    "a2d-bd3lm": _QWEN3,
    "sdar": _QWEN3,
    "a2d-llama": _LLAMA,
    "fast-dllm": {**_QWEN2, "bd_size": 32},
}
_N_LAYERS = 12
_GEMMA = {
    "model_type": "diffusion_gemma",
    "canvas_length": 64,
    "tie_word_embeddings": True,
    "eos_token_id": EOS,
    "bos_token_id": BOS,
    "text_config": {
        "vocab_size": N_VOCAB,
        "hidden_size": 768,
        "intermediate_size": 1536,
        "num_hidden_layers": _N_LAYERS,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 128,
        "global_head_dim": 256,
        "num_global_key_value_heads": 2,
        "sliding_window": 512,
        "layer_types": [
            "full_attention" if (layer + 1) % 6 == 0 else "sliding_attention" for layer in range(_N_LAYERS)
        ],
        "num_experts": 20,
        "top_k_experts": 2,
        "moe_intermediate_size": 512,
        "max_position_embeddings": 8192,
        "hidden_activation": "gelu_pytorch_tanh",
        "rms_norm_eps": 1e-6,
        "rope_parameters": {
            "full_attention": {"partial_rotary_factor": 0.25, "rope_theta": 1e6, "rope_type": "proportional"},
            "sliding_attention": {"rope_theta": 1e4, "rope_type": "default"},
        },
    },
}
REAL = "real"
KINDS = (*CONFIGS, "diffusion-gemma")


def config_of(kind: str) -> dict[str, Any]:
    """The config of the tiny checkpoint of that kind, in the size of the published small one."""
    if kind == "diffusion-gemma":
        return _GEMMA
    config = {**CONFIGS[kind], **_SHAPES.get(kind, _QWEN2)}
    ids = {"eos_token_id": EOS, "mask_token_id": MASK, "bos_token_id": BOS, "expand_token_id": EXPAND}
    config |= {key: value for key, value in ids.items() if key in config}
    config |= {key: N_VOCAB for key in ("vocab_size", "embedding_size") if key in config}
    return config


def write_random(directory: Path, kind: str) -> None:
    """A checkpoint with random weights, a shard at a time."""
    directory.mkdir()
    config = config_of(kind)
    (directory / "config.json").write_text(json.dumps(config))
    write_tokenizer(directory, ADDED)
    blueprint = SimpleNamespace(
        directory=directory,
        config=config,
        generation_config={},
        tensors={} if config.get("tie_word_embeddings") else dict.fromkeys(_HEADS),
        json=lambda name, needed=True: json.loads((directory / name).read_text()),
    )
    family = recognise(cast(Checkpoint, blueprint), Wishes())
    torch.manual_seed(1)
    shard: dict[str, torch.Tensor] = {}
    places: dict[str, str] = {}
    shapes = expected_tensors(family)
    for name, shape in shapes.items():
        scale = 0.02 if "embed" in name or "wte" in name else shape[-1] ** -0.5
        values = torch.ones(shape) if len(shape) == 1 else torch.randn(shape) * scale
        shard[name] = values.to(torch.bfloat16)
        if name == list(shapes)[-1] or sum(tensor.nbytes for tensor in shard.values()) > SHARD_BYTES:
            file = f"model-{len(set(places.values())) + 1:05}.safetensors"
            save_file(shard, directory / file)
            places |= dict.fromkeys(shard, file)
            shard = {}
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


_HEADS = ("lm_head.weight", "model.transformer.ff_out.weight")


def write_real(directory: Path) -> None:
    """The base's own weights, decoded, as a checkpoint of Fast-dLLM v2."""
    directory.mkdir()
    config = EngineConfig()
    base = GgufBase(ModelStore(config.cache_dir).base_path(catalog.lookup(config.model)))
    parts = {"q": "self_attn.q_proj", "k": "self_attn.k_proj", "v": "self_attn.v_proj"}
    names = {"output_norm.weight": "model.norm.weight", "output.weight": "model.embed_tokens.weight"}
    for layer in range(base.config.n_layers):
        old, new = f"blk.{layer}", f"model.layers.{layer}"
        for part, name in parts.items():
            names |= {f"{old}.attn_{part}.{kind}": f"{new}.{name}.{kind}" for kind in ("weight", "bias")}
        names |= {
            f"{old}.attn_output.weight": f"{new}.self_attn.o_proj.weight",
            f"{old}.attn_norm.weight": f"{new}.input_layernorm.weight",
            f"{old}.ffn_norm.weight": f"{new}.post_attention_layernorm.weight",
        }
        for part in ("gate", "up", "down"):
            names[f"{old}.ffn_{part}.weight"] = f"{new}.mlp.{part}_proj.weight"
    state = {new: torch.from_numpy(base.tensor(old).copy()) for old, new in names.items()}
    save_file(state, directory / "model.safetensors")
    sizes = base.config
    described = {
        **CONFIGS["fast-dllm"],
        **_QWEN2,
        "vocab_size": sizes.n_vocab,
        "max_position_embeddings": sizes.max_positions,
        "rms_norm_eps": sizes.norm_eps,
        "rope_theta": sizes.rope_base,
        "tie_word_embeddings": True,
        "eos_token_id": EOS,
    }
    del described["mask_token_id"]
    (directory / "config.json").write_text(json.dumps(described))
    write_tokenizer(directory, {})


def write_tokenizer(directory: Path, added: dict[int, str]) -> None:
    """The base's tokenizer, with further special tokens."""
    data = json.loads((find_artifact(EngineConfig()) / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = data["model"]["vocab"]
    if added:  # in the place of rows that the base has and does not use
        data["model"]["vocab"] = {text: number for text, number in vocabulary.items() if number < min(added)}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    for number, text in added.items():
        data["added_tokens"].append({"id": number, "content": text, **flags, "special": True})
        data["model"]["vocab"][text] = number
    (directory / "tokenizer.json").write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    named = {"mask_token": ADDED[MASK], "bos_token": ADDED[BOS]} if added else {}
    (directory / "tokenizer_config.json").write_text(json.dumps(named))


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended: what it printed, and what it took."""

    out: str
    seconds: float
    peak_bytes: int

    def __str__(self) -> str:
        return f"{self.seconds:.0f} s, {self.peak_bytes / 1e9:.1f} GB"


def unmask(*arguments: str, stdin: str = "") -> Ran:
    """Run the command line in a process of its own."""
    with tempfile.TemporaryFile("w+") as into, tempfile.TemporaryFile("w+") as out:
        into.write(stdin)
        into.seek(0)
        began = time.perf_counter()
        command = [sys.executable, "-m", "lsp_server.cli.main", *arguments]
        process = subprocess.Popen(command, stdin=into, stdout=out)
        peak = 0
        while process.poll() is None:
            peak = max(peak, peak_memory(process.pid))
            time.sleep(0.05)
        out.seek(0)
        ran = Ran(out.read(), time.perf_counter() - began, peak)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}")
    return ran


def peak_memory(pid: int) -> int:
    """The most memory that a process has held until now, in bytes; 0 once it has ended.

    Linux's own count: that of ``getrusage`` begins with what the parent held.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    kilobytes = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(next(kilobytes, "0")) * 1024


def served(artifact: Path) -> str:
    """What an editor sees: until ready, the answer of an inline completion, memory."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "lsp_server", "--model", str(artifact), "--device", "cpu"]
    client = Client(command, environment(), artifact)
    try:
        client.initialize(options={"multiLine": "never", "maxTokens": 12}, ready=False)
        state = client.wait_for(
            "unmask/status", lambda status: status["state"] in ("ready", "failed"), PATIENCE_S
        )
        if state["state"] == "failed":
            raise SystemExit(f"the server failed: {state}")
        ready = time.perf_counter() - began
        uri = (artifact / "a.py").as_uri()
        client.open(uri, FILE)
        began = time.perf_counter()
        asked = inline(uri, 1, len("    return "), automatic=False)
        items = client.call("textDocument/inlineCompletion", asked, PATIENCE_S)["items"]
        answered = time.perf_counter() - began
        memory = psutil.Process(client.process.pid).memory_info().rss
        client.leave()
    finally:
        client.close()
    return f"ready in {ready:.0f} s, {len(items)} suggested after {answered:.1f} s, {memory / 1e9:.1f} GB"


def measure(kind: str, quantization: str, work: Path) -> str:
    """A row of the table."""
    checkpoint, artifact = work / kind, work / f"{kind}-artifact"
    write_random(checkpoint, kind)
    try:
        options = ("--quantization", quantization, "--out", str(artifact))
        export = unmask("export", "--from", str(checkpoint), *options)
        shutil.rmtree(checkpoint)
        manifest = json.loads((artifact / "manifest.json").read_text(encoding="utf-8"))
        on_disk = sum(file.stat().st_size for file in artifact.iterdir())
        model = ("--model", str(artifact), "--device", "cpu", "--offline", "--json", "--language", "python")
        fill = unmask("fill", "-", "--single-line", "--max-tokens", "12", *model, stdin=HOLE)
        answer = json.loads(fill.out)
        return " | ".join(
            (
                f"| {kind}",
                str(manifest["family"]),
                quantization,
                f"{on_disk / 1e6:,.0f} MB",
                str(export),
                f"{answer['forwards']} passes, {answer['ms'] / 1000:.1f} s, {fill.peak_bytes / 1e9:.1f} GB",
                f"{served(artifact)} |",
            )
        )
    finally:
        shutil.rmtree(checkpoint, ignore_errors=True)
        shutil.rmtree(artifact, ignore_errors=True)


def compare(quantization: str, work: Path) -> str:
    """The base under another family's config beside the base: the same text and passes, hole by hole."""
    checkpoint, artifact, base = work / REAL, work / f"{REAL}-artifact", work / f"{REAL}-base"
    write_real(checkpoint)
    try:
        options = ("--block", "1", "--quantization", quantization, "--out", str(artifact))
        export = unmask("export", "--from", str(checkpoint), *options)
        unmask("export", "--quantization", quantization, "--out", str(base))  # another one may ship
        common = [
            "--device",
            "cpu",
            "--offline",
            "--json",
            "--decoding",
            "left_to_right",
            "--max-tokens",
            "24",
        ]
        same, differences = 0, []
        for prompt in PROMPTS:
            asked = ("fill", "-", "--language", "javascript" if "function" in prompt else "python", *common)
            theirs = json.loads(unmask(*asked, "--model", str(artifact), stdin=prompt).out)
            ours = json.loads(unmask(*asked, "--model", str(base), stdin=prompt).out)
            same += theirs["fills"] == ours["fills"]
            differences.append(abs(theirs["confidence"][0] - ours["confidence"][0]))
        return (
            f"| {REAL} | the same text in {same} of {len(PROMPTS)} holes, confidence differs by at most "
            f"{max(differences):.4f} | {quantization} | exported in {export} |"
        )
    finally:
        for made in (checkpoint, artifact, base):
            shutil.rmtree(made, ignore_errors=True)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "kinds", nargs="*", metavar="KIND", help=f"by default all: {', '.join((*KINDS, REAL))}"
    )
    parser.add_argument("--quantization", default="q8")
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()), help="takes 4 GB for a while"
    )
    args = parser.parse_args()
    if unknown := set(args.kinds) - {*KINDS, REAL}:
        parser.error(f"no kind is called {', '.join(sorted(unknown))}")
    for kind in args.kinds or (*KINDS, REAL):
        run = (
            compare(args.quantization, args.work)
            if kind == REAL
            else measure(kind, args.quantization, args.work)
        )
        print(run, flush=True)


if __name__ == "__main__":
    main()
