"""A synthetic Scratch community and a local API over it: demo, test double and benchmark server.

It imports nothing else of the harvester: what it states as the truth would prove nothing otherwise.
"""
