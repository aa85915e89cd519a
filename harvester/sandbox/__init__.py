"""A synthetic Scratch community and a local API over it: demo, test double and benchmark server.

It imports nothing else of the harvester, so that its truth is independent of the code under test.
"""
