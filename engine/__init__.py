"""The engine of Unmask: text with holes in, text without them out.

The door is `engine.engine`: ``open_engine(config)`` gives an ``Engine`` whose ``fill`` takes a
``FillRequest`` and returns a ``FillResult`` (`engine.types`). Imports neither LSP libraries nor torch;
importing this package imports nothing else.
"""
