"""Which of the quantizations that ship for a model suits this machine.

``d8`` and ``u8``, whose products are of bytes throughout, are the quicker ones on a CPU. Signed codes are
quicker where the processor adds products of bytes up exactly; older x86 processors add pairs of them in 16
bits, which overflow, and there it is ``u8``. On a GPU it is ``g16``. ``q8`` is for what is left.
"""

from __future__ import annotations

from engine.config import Device
from engine.errors import ModelNotFoundError
from engine.models.artifact import Manifest
from engine.models.assemble import packaged_manifest
from engine.models.runtime import CPU, choose_provider, int8_products_are_exact
from engine.weights.encodings import FOR_GPUS


def suited_manifest(name: str, device: Device) -> Manifest:
    """The packaged manifest of a model for the provider that a device setting leads to.

    Raises:
        ModelNotFoundError: no graphs are shipped under this name.
        BackendError: the device cannot be used here.
    """
    on_cpu = choose_provider(device).name == CPU
    try:
        if on_cpu:
            return packaged_manifest(name, "d8" if int8_products_are_exact() else "u8")
        return packaged_manifest(name, FOR_GPUS)
    except ModelNotFoundError:
        return packaged_manifest(name)
