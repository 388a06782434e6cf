"""Finds a server's program in its wheel without importing it: those packages do things when imported."""

import importlib.util
import os
import platform
from pathlib import Path

from lib.servers.errors import EmbeddedUnavailable


def find_program(pattern: str, *, package: str, name: str, setting: str) -> Path:
    """`pattern` is relative to the package; raises EmbeddedUnavailable."""
    if platform.system() != "Linux":
        raise EmbeddedUnavailable(name, setting, "only on Linux")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedUnavailable(name, setting, f"the package {package} is not installed")
    for program in Path(spec.submodule_search_locations[0]).glob(pattern):
        if os.access(program, os.X_OK):
            return program
    raise EmbeddedUnavailable(name, setting, f"the package {package} has no program that may be executed")
