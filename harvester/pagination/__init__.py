"""Page through lists of the API: state machines without I/O."""
