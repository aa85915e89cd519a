"""What the projects are made of: decoding, facts and differences of their sources. Pure: no I/O, no SQL."""
