"""Errors of resolving a name to its object."""


class RegistryError(Exception):
    """Base class; each message is one line that says what was asked, what exists and what to do."""


class UnknownNameError(RegistryError, LookupError):
    """No owner claims the name."""


class DuplicateNameError(RegistryError):
    """More than one owner claims the name."""


class ProviderError(RegistryError):
    """The provider of a name cannot be imported, or its object is of the wrong kind."""
