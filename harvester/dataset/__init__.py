"""Build, describe, verify and compare research datasets."""
