"""Reports of scores that somebody else measured."""
