"""What the world file points at: secrets in the environment or the secrets folder, certificates in files beside it."""

import os
import re
import ssl
from pathlib import Path

from pydantic import SecretStr

from bot.settings import SECRET_PREFIX, Settings
from bot.world_file.document import Document, Place

_LARGEST_CERTIFICATE = 1_000_000
_LARGEST_SECRET = 8_192


def secret_of(document: Document, place: Place, reference: str, settings: Settings) -> SecretStr:
    """The secret behind `env:…` or `file:…`; `BadInput` naming the place, never the secret."""
    scheme, _, rest = reference.partition(":")
    if scheme == "env":
        if not rest.startswith(SECRET_PREFIX):
            named = rest if re.fullmatch("[A-Z_][A-Z0-9_]*", rest) else "this"  # which may be the password itself
            raise document.wrong(place, f"env: may only name variables that start with {SECRET_PREFIX}, not {named}")
        text = os.environ.get(rest)
        if not text:
            raise document.wrong(place, f"the environment variable {rest} is {'empty' if text == '' else 'not set'}")
        return SecretStr(text)
    if settings.secrets_dir is None:
        raise document.wrong(place, "file: works once REKEY_SECRETS_DIR names the folder such files are in")
    folder = settings.secrets_dir.resolve()
    path = (folder / rest).resolve()
    if not path.is_relative_to(folder):
        raise document.wrong(place, f"the file {rest} is not inside REKEY_SECRETS_DIR ({settings.secrets_dir})")
    raw = _content(document, place, path, _LARGEST_SECRET)
    text = raw.removesuffix("\n").removesuffix("\r")
    if not text:
        raise document.wrong(place, f"{path} is empty")
    return SecretStr(text)


def certificate_of(document: Document, place: Place, name: str, text: str | None, file: str | None) -> str | None:
    """The certificate that stands in the file as `name`, or in a file of its own as `NAME_file`; PEM text, or None."""
    if text is not None and file is not None:
        raise document.wrong((*place, f"{name}_file"), f"{name} stands here too: keep one of them")
    if text is None and file is None:
        return None
    if text is not None:
        where, called = (*place, name), "this"
    else:
        path = Path(os.path.normpath(document.path.absolute().parent / str(file)))
        where, called = (*place, f"{name}_file"), str(path)
        text = _content(document, where, path, _LARGEST_CERTIFICATE)
    if "PRIVATE KEY" in text:
        raise document.wrong(where, f"{called} holds a private key: give only the certificate")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        raise document.wrong(
            where, f"{called} is not a certificate in PEM form (-----BEGIN CERTIFICATE-----)"
        ) from None
    return text.strip() + "\n"


def _content(document: Document, place: Place, path: Path, largest: int) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(largest + 1)
        text = raw.decode("utf-8")
    except OSError as error:
        raise document.wrong(place, f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise document.wrong(place, f"{path} is not a text file") from None
    if len(raw) > largest:
        raise document.wrong(place, f"{path} is larger than {largest} bytes")
    return text
