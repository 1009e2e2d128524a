"""Weights and graphs to a denoiser that runs. ONNX Runtime is used here."""
