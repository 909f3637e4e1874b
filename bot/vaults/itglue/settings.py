"""What an IT Glue connection needs to know besides its key; never a secret."""

from collections.abc import Mapping
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bot.errors import BadInput

REGIONS = {
    "us": "https://api.itglue.com",
    "eu": "https://api.eu.itglue.com",
    "au": "https://api.au.itglue.com",
}
"""Where the API of each region is: an account lives in one of them."""


class ITGlueSettings(BaseModel):
    """One organization of one IT Glue account."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: Annotated[str, Field(max_length=300)]
    """A region's address, or another that the settings of this Rekey allow (`bot.connections`)."""
    organization: Annotated[str, Field(min_length=1, max_length=300)]
    """Its name or id there, as a person gave it."""
    organization_id: str | None = None
    """Its id, once found: kept, so that a rename there, or another of that name, changes nothing."""
    share: Annotated[float, Field(ge=0.05, le=1)] = 0.5
    """How much of the account's request limit Rekey may use; the rest is for the customer's other tools."""

    @field_validator("base_url")
    @classmethod
    def _root(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError("write it as https://api.itglue.com")
        return f"{parts.scheme}://{parts.netloc.lower()}"

    @classmethod
    def parse(cls, settings: Mapping[str, Any]) -> Self:
        """Read a stored connection's settings; a `region` is its address. `BadInput` names what does not fit."""
        given = dict(settings)
        region = given.pop("region", None)
        if region is not None:
            if region not in REGIONS:
                raise BadInput(f"region: {region} is none of IT Glue's: write {', '.join(REGIONS)}.")
            if "base_url" in given:
                raise BadInput("base_url: region stands here too. Keep one of them.")
            given["base_url"] = REGIONS[region]
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, each['loc'])) or 'settings'}: {each['msg'].removeprefix('Value error, ')}"
                for each in error.errors(include_url=False, include_input=False)
            )
            raise BadInput(f"These settings do not describe an IT Glue connection: {wrong}.") from error
