"""Where what was seen is kept. Knows PostgreSQL, and nothing of HTTP."""
