"""Registries of named objects, each imported on first use. Standard library only."""

from registry.errors import DuplicateNameError, ProviderError, RegistryError, UnknownNameError
from registry.registry import Entry, Registry

__all__ = ["DuplicateNameError", "Entry", "ProviderError", "Registry", "RegistryError", "UnknownNameError"]
