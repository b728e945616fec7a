"""Composes step graphs and climbs them."""
