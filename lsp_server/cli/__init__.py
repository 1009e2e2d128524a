"""One module per subcommand of ``unmask``; each imports what it needs when it runs."""
