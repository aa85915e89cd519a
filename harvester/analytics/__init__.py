"""Refresh the materialised views of the schema `analytics`."""
