"""Which rights our account has on another, read from its access list: asking changes nothing, trying would.

A permission list is walked as Windows walks it (MS-DTYP 2.5.3.2): in order, and the first entry that speaks of the
right and of us decides.
"""

import struct
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ldap3.protocol.microsoft import security_descriptor_control

from bot.directories.active_directory.entries import Entry, sid_text

RESET_PASSWORD = uuid.UUID("00299570-246d-11d0-a768-00aa006e0529")
"""The extended right User-Force-Change-Password, which Windows shows as "Reset password"."""

(DACL,) = security_descriptor_control(sdflags=0x04)
"""The control that asks for the permission list alone: without it an ordinary account is shown nothing at all."""

_CONTROL_ACCESS = 0x100
_ALLOWED, _DENIED, _ALLOWED_OBJECT, _DENIED_OBJECT = 0, 1, 5, 6
_INHERIT_ONLY = 0x08
_HAS_TYPE, _HAS_INHERITED_TYPE = 0x1, 0x2


@dataclass(frozen=True, slots=True)
class _Ace:
    allows: bool
    mask: int
    kind: uuid.UUID | None
    """The right it is about; None is about all of them."""
    sid: str


def may_reset(entry: Entry, tokens: Collection[str]) -> bool | None:
    """Whether whoever holds these SIDs may reset this entry's password; None when its permissions are not shown."""
    descriptors = entry.all("nTSecurityDescriptor")
    if not descriptors:
        return None
    for ace in _entries(descriptors[0]):
        if ace.sid in tokens and ace.mask & _CONTROL_ACCESS and ace.kind in (None, RESET_PASSWORD):
            return ace.allows
    return False


def _entries(descriptor: bytes) -> Iterator[_Ace]:
    """The entries of a security descriptor's DACL that hold for the object itself (MS-DTYP 2.4.4, 2.4.6)."""
    (start,) = struct.unpack_from("<I", descriptor, 16)
    if not start:
        return
    (count,) = struct.unpack_from("<H", descriptor, start + 4)
    offset = start + 8
    for _ in range(count):
        kind, flags, size, mask = struct.unpack_from("<BBHI", descriptor, offset)
        body = descriptor[offset + 8 : offset + size]
        offset += size
        if flags & _INHERIT_ONLY or kind not in (_ALLOWED, _DENIED, _ALLOWED_OBJECT, _DENIED_OBJECT):
            continue
        about = None
        if kind in (_ALLOWED_OBJECT, _DENIED_OBJECT):
            (present,) = struct.unpack_from("<I", body)
            body = body[4:]
            if present & _HAS_TYPE:
                about, body = uuid.UUID(bytes_le=body[:16]), body[16:]
            if present & _HAS_INHERITED_TYPE:
                body = body[16:]
        yield _Ace(kind in (_ALLOWED, _ALLOWED_OBJECT), mask, about, sid_text(body))
