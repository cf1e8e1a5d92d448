"""Subcommands of `linnet` about boards."""
