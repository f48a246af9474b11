"""Commands that pages show to be pasted are commands that there are."""

import re
import shlex

import pytest
from django.core.management import get_commands, load_command_class

from tests.plugin import ROOT

SHOWN = re.compile(r"python manage\.py ((?:\\\n|[^\n<])+)")


def shown() -> list[tuple[str, str]]:
    """(template, command) of every one."""
    return [
        (str(path.relative_to(ROOT)), re.sub(r"\\\n", " ", found))
        for path in sorted((ROOT / "templates").rglob("*.html"))
        for found in SHOWN.findall(path.read_text())
    ]


@pytest.mark.parametrize(("template", "command"), shown())
def test_a_command_on_a_page_is_taken_as_it_stands(template: str, command: str) -> None:
    name, *arguments = shlex.split(re.sub(r"{[{%].*?[%}]}", "x", command))
    known = load_command_class(get_commands()[name], name)
    parser = known.create_parser("manage.py", name)
    try:
        parser.parse_args(arguments)
    except SystemExit as ended:
        assert ended.code == 0, template  # --help


def test_there_are_some() -> None:
    assert len(shown()) >= 5
