"""Decode the sources of projects, count their facts and compare them. Pure: no I/O, no SQL."""
