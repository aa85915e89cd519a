"""Draw random samples of projects, studios and users, and record what became of each draw."""
