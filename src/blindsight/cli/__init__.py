"""The command line: one Typer application, a file for each wing; a command imports what it needs when it runs."""
