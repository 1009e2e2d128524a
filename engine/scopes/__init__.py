"""Names of a text to all places that mean the same thing, in seven languages."""
