"""Rewritings of a graph under construction: the same values, in less time."""
