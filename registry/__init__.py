"""Names that become objects when they are asked for, and not before. Standard library only."""

from registry.errors import DuplicateNameError, ProviderError, RegistryError, UnknownNameError
from registry.registry import Entry, Registry

__all__ = ["DuplicateNameError", "Entry", "ProviderError", "Registry", "RegistryError", "UnknownNameError"]
