"""`python -m bot` is `rekey`."""

from bot.cli import app


def main() -> None:
    """Run the command line."""
    app(prog_name="rekey")


if __name__ == "__main__":
    main()
