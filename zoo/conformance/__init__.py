"""The contract of models, one check per file.

`python cli.py check MODEL` runs it; `zoo.testing.contract` turns it into a pytest test.
"""
