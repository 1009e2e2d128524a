"""A change to what it implies elsewhere in its file."""
