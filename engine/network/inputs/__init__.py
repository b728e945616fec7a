"""What goes into a network: pictures, how they lie there, and what stands beside them."""
