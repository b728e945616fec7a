"""From activations to one number for each picture."""
