"""A network's layers: their names, their axes, the blocks and branches that they belong to."""
