"""Shows results in a browser, as files; computes nothing itself."""
