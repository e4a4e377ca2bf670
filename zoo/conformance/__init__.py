"""The contract that every model must hold, one check a file.

`python cli.py check MODEL` runs it, `zoo.testing.contract` makes a pytest test of it.
"""
