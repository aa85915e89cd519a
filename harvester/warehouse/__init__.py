"""Storage of harvested rows. Knows PostgreSQL, and nothing of HTTP."""
