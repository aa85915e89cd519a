"""What the documentation and the comments claim of speed, measured: `make bench`."""
