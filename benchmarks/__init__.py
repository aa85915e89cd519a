"""Measure the speeds that the documentation and the comments state: `make bench`."""
