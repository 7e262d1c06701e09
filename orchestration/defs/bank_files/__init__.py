"""A sensor that starts the loop when a bank drops a new file."""
