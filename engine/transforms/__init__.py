"""From a picture and random data to a picture."""
