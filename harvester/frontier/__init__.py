"""Decide what is visited and when, and who visits it: rows of `crawl.frontier`."""
