"""What can go wrong between a name and its object."""


class RegistryError(Exception):
    """Base of the errors here; each message is one line that says what was asked, what exists, what to do."""


class UnknownNameError(RegistryError, LookupError):
    """Nobody claims the name."""


class DuplicateNameError(RegistryError):
    """More than one owner claims the name."""


class ProviderError(RegistryError):
    """The provider of a name cannot be imported, or is not what it should be."""
