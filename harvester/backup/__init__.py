"""Backups of a warehouse with all that it needs: the database, the secret key and the rules of erasures."""
