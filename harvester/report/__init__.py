"""Pages and documents that are made from the warehouse."""
