"""Writes gradients behind a graph, by the rules."""
