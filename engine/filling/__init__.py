"""Holes in a text to what stands in them: laid out, denoised, cut where they end, judged."""
