"""The contract: what every model must hold, one check a file.

`python cli.py check MODEL` runs it, `zoo.testing.contract` makes a test of it.
"""
