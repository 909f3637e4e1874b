"""What is installed is what pyproject.toml asks for, and comes from nowhere in particular."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bot.settings import Settings, variable_of

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text()


def wanted() -> list[Requirement]:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = pyproject["project"]
    groups = [
        project["dependencies"],
        project["optional-dependencies"]["postgres"],
        pyproject["dependency-groups"]["dev"],
    ]
    return [Requirement(line) for group in groups for line in group]


def locked() -> dict[str, str]:
    pins = (Requirement(line.rstrip(" \\")) for line in LOCK.splitlines() if "==" in line and line[0] not in "# ")
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}


def test_the_lock_has_a_fitting_version_of_everything_pyproject_asks_for() -> None:
    pins = locked()
    unfit = [str(want) for want in wanted() if not want.specifier.contains(pins.get(canonicalize_name(want.name), "0"))]
    assert not unfit, f"run `make lock`: {unfit}"


def test_the_lock_names_no_host() -> None:
    assert "://" not in LOCK


def test_every_setting_is_in_the_example_environment() -> None:
    explained = set(re.findall(r"^#?((?:REKEY|SLACK)_[A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert explained - {"REKEY_SECRET_ACME"} == {variable_of(field) for field in Settings.model_fields}
