"""Refresh the tables of the schema `analytics`."""
