"""Rules of the house that linters do not know: sizes, where imports stand, and what a file must not name."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

LONGEST_FUNCTION = 40
LONGEST_FILE = 300
# Written by the migration tool.
GENERATED = re.compile(r"_\d{4}_tables\.py$")
FOREIGN = {".venv", ".git", ".data", "__pycache__", "node_modules", "build", "dist"}
HOMES = "work|root|home|Users"
MACHINE_PATH = re.compile(rf"(?<![\w/.:{{}}-])/(?:{HOMES})(?![\w-])")
INDEX_ADDRESS = re.compile(r"\bpypi\.(?:org|python\.org)|\bpythonhosted\.org|--(?:extra-)?index-url|\bfind-links\b")


def product_files(root: Path) -> list[Path]:
    """Every Python file of ours, tests and benches included."""
    found = (path for path in root.rglob("*.py") if not FOREIGN & set(path.relative_to(root).parts))
    return sorted(path for path in found if not GENERATED.search(path.name))


def offences(name: str, source: str) -> list[str]:
    """One line for each thing that breaks a rule."""
    tree = ast.parse(source)
    lines = source.splitlines()
    found = [f"{name}:{line}: {what}" for line, what in (*_in_functions(tree), *_in_tree(tree), *_in_lines(lines))]
    if len(lines) > LONGEST_FILE:
        found.append(f"{name}: {len(lines)} lines, more than {LONGEST_FILE}")
    if Path(name).name == "__init__.py" and source.strip():
        found.append(f"{name}: must be empty")
    return found


def _in_functions(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (function.end_lineno or function.lineno) - function.lineno + 1
            if length > LONGEST_FUNCTION:
                yield function.lineno, f"{function.name} has {length} lines, more than {LONGEST_FUNCTION}"
            yield from ((line, f"{function.name} hides an import") for line in _imports_in(function))


def _imports_in(function: ast.AST) -> Iterator[int]:
    """Lines of imports in a function's own body; a function inside it answers for itself."""
    for node in ast.iter_child_nodes(function):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node.lineno
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _imports_in(node)


def _in_tree(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute | ast.alias) and _name_of(node) == "TYPE_CHECKING":
            yield node.lineno, "TYPE_CHECKING: the floor is wrong"


def _name_of(node: ast.Name | ast.Attribute | ast.alias) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else node.name


def _in_lines(lines: list[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, 1):
        if MACHINE_PATH.search(line):
            yield number, "names a directory of one machine"
        if INDEX_ADDRESS.search(line):
            yield number, "names a package index"
