"""A base model's name to its verified weights on the disk."""
