"""Shapes and types of values, as numbers or formulas, before anything runs."""
