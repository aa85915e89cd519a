"""Simulate the schedule of visits: independent lists over a real PostgreSQL, and a community in numpy."""
