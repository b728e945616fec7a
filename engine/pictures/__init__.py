"""One call, one picture, and the recipe in it."""
