"""How one operator is differentiated."""
