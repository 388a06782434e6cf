"""The rules of the house hold in every file, and their check catches each way to break them."""

from pathlib import Path

import pytest

from tests import style

ROOT = Path(__file__).parent.parent
FILES = style.product_files(ROOT)
NAMES = [str(path.relative_to(ROOT)) for path in FILES]
# Put together here so that this file keeps the rules that it tests.
SLASH = "/"


@pytest.mark.parametrize("name", NAMES)
def test_a_file_keeps_the_rules(name: str):
    assert style.offences(name, (ROOT / name).read_text()) == []


def test_the_files_of_every_part_are_looked_at():
    assert {"app.py", "lib/frame.py", "domains/accounts/tables.py", "tests/test_style.py"} <= set(NAMES)
    assert not [name for name in NAMES if ".venv" in name or "_0001_tables" in name]


@pytest.mark.parametrize(
    ("source", "offence"),
    [
        ("def f():\n" + "    x = 1\n" * 40, "f has 41 lines"),
        ("class A:\n    async def g(self):\n" + "        x = 1\n" * 40, "g has 41 lines"),
        ("x = 1\n" * 301, "301 lines"),
        ("def f():\n    import os\n", "f hides an import"),
        ("def f():\n    if True:\n        from os import path\n", "f hides an import"),
        (
            "class A:\n    def g(self):\n        try:\n            import os\n        finally:\n            pass\n",
            "g hides",
        ),
        ("from typing import TYPE_CHECKING\n", "TYPE_CHECKING"),
        ("import typing as t\nif t.TYPE_CHECKING:\n    x = 1\n", "TYPE_CHECKING"),
        (f'PATH = "{SLASH}work/main"\n', "directory of one machine"),
        (f"# See {SLASH}root/notes.\n", "directory of one machine"),
        (f"x = '{SLASH}home/ada/stock'\n", "directory of one machine"),
        ('URL = "https://py' + 'pi.org/simple"\n', "package index"),
        ('URL = "https://files.python' + 'hosted.org/x"\n', "package index"),
        ("# pip install --index" + "-url https://mirror.example\n", "package index"),
    ],
)
def test_a_broken_rule_is_told(source: str, offence: str):
    found = style.offences("lib/bad.py", source)
    assert len(found) >= 1
    assert offence in found[0]


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n" + "    x = 1\n" * 39,
        "x = 1\n" * 300,
        "import os\ntry:\n    import fast\nexcept ImportError:\n    fast = None\n",
        "important = 1\ndef f():\n    return important\n",
        '@get("/products/homes")\nasync def homes(): ...\n',
        'URL = "https://shop.example/home"\n',
        'PATH = "/workers"\nROUTE = "/home-page"\n',
        "# The framework and rootless containers.\n",
    ],
)
def test_a_kept_rule_is_not_told(source: str):
    assert style.offences("lib/good.py", source) == []


def test_an_import_is_told_once_where_functions_nest():
    source = "def outer():\n    def inner():\n        import os\n    return inner\n"
    assert style.offences("lib/bad.py", source) == ["lib/bad.py:3: inner hides an import"]


@pytest.mark.parametrize(("source", "count"), [("", 0), ("\n", 0), ('"""A package."""\n', 1), ("from x import y\n", 1)])
def test_an_init_file_is_empty(source: str, count: int):
    assert len(style.offences("lib/__init__.py", source)) == count
