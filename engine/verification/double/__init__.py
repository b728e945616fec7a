"""The same network in double precision."""
