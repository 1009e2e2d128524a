"""Masks to tokens: canvases, drafts, and the loops that settle them. Knows models by an interface alone."""
