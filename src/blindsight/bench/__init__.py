"""The bench: the papers' comparisons as recipes, run through the public functions of both sides."""
