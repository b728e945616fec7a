"""From parameters to a picture."""
