"""The examples in docs/pretend-slack.md run as they stand."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "pretend-slack.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_of_the_documentation_runs(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(EXAMPLES[number], str(PAGE), "exec"), {"__name__": "example"})  # noqa: S102 - our own page
    if "running.url" in EXAMPLES[number]:
        assert "http://127.0.0.1:" in capsys.readouterr().out
