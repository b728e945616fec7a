"""Runs a finished graph and says what it costs; builds none."""
