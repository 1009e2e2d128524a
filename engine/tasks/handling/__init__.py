"""What becomes of the errors of statements: a ``try`` around them, a check behind, a match of a result."""
