"""Write docs/statuses.md from bot/statuses.py; with --check only say whether it is up to date."""

import sys
from pathlib import Path

from bot.statuses import as_markdown

PAGE = Path(__file__).with_name("statuses.md")


def main() -> int:
    """0 when the page is, or was made, what the source says."""
    if sys.argv[1:] == ["--check"]:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != as_markdown())
    PAGE.write_text(as_markdown(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
