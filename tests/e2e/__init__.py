"""The server as an editor sees it: a child process, driven over its streams."""
