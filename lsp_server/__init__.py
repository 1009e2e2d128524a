"""The language server of Unmask, and its command line."""

__version__ = "0.1.0"
