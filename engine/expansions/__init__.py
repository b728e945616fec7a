"""How one operator is written as others, before anything is differentiated."""
