"""One method of the protocol, one file: convert, call, convert back. Each has ``register(server)``."""
