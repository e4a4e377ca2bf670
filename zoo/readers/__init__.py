"""Readers of scores that somebody else measured."""

from zoo.readers.interface import Columns, Reader, Scores

__all__ = ["Columns", "Reader", "Scores"]
