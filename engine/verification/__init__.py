"""Says whether a gradient is right, independently of the ascent."""
