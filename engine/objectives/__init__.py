"""From activations and the picture to one number for each picture."""
