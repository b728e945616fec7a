"""What is known of a model's units, kept in a folder: everything is made once."""
