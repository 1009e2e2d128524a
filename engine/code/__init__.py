"""Source code as text and as trees: what is where in it. Knows no model."""
