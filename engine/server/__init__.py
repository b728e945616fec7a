"""The microscope live: what a browser looks at is made, and shown while it is."""
