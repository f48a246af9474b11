"""Every module stands on a floor, and files and functions keep their size."""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = [
    path
    for package in ("portal", "keys", "consent", "audit", "bench")
    for path in (ROOT / package).rglob("*.py")
]
NOT_IMPORTED = {"portal", "portal.settings", "audit", "bench"}
"""Packages' own names, Django's settings file, and what is no part of the product."""


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_every_module_is_on_a_floor() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = settings["contracts"][0]["layers"]
    floors = [name.strip() for layer in layers for name in layer.split("|")]
    adrift = [
        name
        for name in map(module, SOURCES)
        if name not in NOT_IMPORTED
        and not name.startswith("bench.")
        and not any(name == floor or name.startswith(f"{floor}.") for floor in floors)
    ]
    assert adrift == []


def test_a_file_has_at_most_300_lines_and_a_function_40() -> None:
    long = []
    for path in SOURCES:
        if "migrations" in path.parts:
            continue
        text = path.read_text()
        if text.count("\n") > 300:
            long.append(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = (node.end_lineno or 0) - node.lineno + 1
                if size > 40:
                    long.append(f"{path.relative_to(ROOT)}: {node.name} has {size} lines")
    assert long == []
