"""The evaluation sets: problems to questions for an engine, its answers to verdicts, verdicts to figures.

Each set is a module that builds its cases deterministically, asks, and judges; ``run`` takes a model through
one and ``figures`` counts. None of the benchmarks' problems is ever training data.
"""
