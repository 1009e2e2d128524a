"""This machine, in facts for people and reports: processor, memory, platform and package versions.

Asks the operating system and the installed distributions. Knows nothing of models and draws no
conclusions.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "numpy",
    "tokenizers",
    "gguf",
    "huggingface-hub",
    "httpx",
    "platformdirs",
    "psutil",
    "pygls",
    "lsprotocol",
    "watchfiles",
    "rich",
    "tree-sitter",
)
"""Distributions Unmask cannot do without, ONNX Runtime aside, which comes under two names."""

RUNTIMES = ("onnxruntime-gpu", "onnxruntime")


@dataclass(frozen=True, slots=True)
class Machine:
    """What this machine is.

    Attributes:
        python: version and implementation of the interpreter.
        platform: operating system and architecture.
        cpu: name of the processor.
        physical_cores: cores without hyper-threads; 0 where the system does not say.
        usable_cpus: logical processors this process may run on.
        memory_bytes: physical memory.
        available_bytes: what of it can be had without swapping.
    """

    python: str
    platform: str
    cpu: str
    physical_cores: int
    usable_cpus: int
    memory_bytes: int
    available_bytes: int


def look() -> Machine:
    """This machine as it is now."""
    import psutil

    memory = psutil.virtual_memory()
    return Machine(
        python=f"{platform.python_version()} ({platform.python_implementation()})",
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        cpu=cpu_name(),
        physical_cores=psutil.cpu_count(logical=False) or 0,
        usable_cpus=_usable_cpus(),
        memory_bytes=memory.total,
        available_bytes=memory.available,
    )


def cpu_name() -> str:
    """The processor's name as its maker gives it, or else its architecture."""
    found = ""
    try:
        if sys.platform == "linux":
            found = _linux_cpu_name(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
        elif sys.platform == "darwin":
            command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
            found = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        pass
    return " ".join((found or platform.processor() or platform.machine()).split())


def _linux_cpu_name(cpuinfo: str) -> str:
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "cpu model"):
            return value.strip()
    return ""


def _usable_cpus() -> int:
    import psutil

    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):  # not on macOS
        return len(process.cpu_affinity())
    return psutil.cpu_count() or 1


def version() -> str:
    """Unmask's own version, or a word saying that it is run from a source tree."""
    return installed("unmask") or "0 (a source tree, not installed)"


def installed(distribution: str) -> str | None:
    """The version of an installed distribution, None where it is not."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def resident_bytes() -> int:
    """Memory of this process that is in RAM now."""
    import psutil

    return int(psutil.Process().memory_info().rss)
