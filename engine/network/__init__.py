"""A network as people speak of it: layers, units, pictures, labels."""
