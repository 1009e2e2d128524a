"""The language server of Unmask, and its command line."""
