"""Erase a person from the warehouse, its archives and whatever is crawled later."""
