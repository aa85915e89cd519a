"""Report the state of crawls and of the warehouse."""
