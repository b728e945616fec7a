"""Several pictures or numbers that together answer a question."""
