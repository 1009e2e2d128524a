"""Where types are missing, and which types a file can use."""
