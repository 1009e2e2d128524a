"""A list of permissively licensed packages to shards of source text that a model can learn from."""
