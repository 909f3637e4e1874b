"""Every error Rekey raises on purpose, each saying what the outside looks like now.

A caller chooses what to do next by the class alone:

    RekeyError                          a sentence for people: what happened, what is true now, what to do
    ├── BadInput                        what was asked for cannot be read or does not fit; nothing was changed
    ├── RowNotFound                     a name or id that is not there; nothing was changed
    ├── NotPermitted                    the operator may not do this; nothing was changed
    ├── StorageError                    our own database, key, escrow or audit trail
    │   ├── KeyProblem                  no key, a wrong key, a key file others can read
    │   ├── SealBroken                  a sealed value does not open here: moved, edited, or another key
    │   ├── EscrowProblem               the escrow file cannot be appended to or read
    │   └── SchemaProblem               the database is newer than this program, or was never migrated
    ├── LeaseLost                       another worker owns the lane now; the caller must write nothing more
    └── OutsideError                    a directory, vault or desk
        ├── Refused                     nothing was changed, and asking again the same way will not help
        │   ├── SignInRefused           our own sign-in was refused there
        │   ├── CertificateRefused      the server could not prove who it is
        │   ├── NotFound                the account or record is not there (any more)
        │   ├── PasswordRefused         the new password breaks a policy there; another one may pass
        │   ├── AdminNotPermitted       our role there is not enough for an administrator's account
        │   ├── TenantNotPermitted      our role or consent is missing in that tenant
        │   └── RightMissing            our sign-in lacks a right it needs
        ├── Throttled                   nothing was changed; ask again after `retry_after` seconds
        ├── Unreachable                 nothing was changed: no connection could be made
        └── NoAnswer                    UNKNOWN whether it was changed: look before acting again
"""


class RekeyError(Exception):
    """An error with a sentence for people. `str()` is safe to show: it never holds a secret."""


class BadInput(RekeyError):
    """What was asked for cannot be read, or does not fit. Names the file, line and field where there is one."""


class RowNotFound(RekeyError):
    """A name or an id that is not there, or that fits more than one row."""


class NotPermitted(RekeyError):
    """The operator may not do this."""


class StorageError(RekeyError):
    """Our own database, key, escrow file or audit trail."""


class KeyProblem(StorageError):
    """No key, a wrong key, or a key file that others can read."""


class SealBroken(StorageError):
    """A sealed value does not open in this place: it was moved, edited, or sealed with another key."""


class EscrowProblem(StorageError):
    """The escrow file cannot be appended to or read."""


class SchemaProblem(StorageError):
    """The database is newer than this program, or was never migrated."""


class LeaseLost(RekeyError):
    """Another worker owns the lane now: the caller must write nothing more, here or outside."""


class OutsideError(RekeyError):
    """A directory, vault or desk did not do what it was asked.

    `cause` is a short, stable key ("certificate-unknown-issuer", "policy") by which notices group failures and a lane
    counts identical ones; `mend` is what a person can do about it, or empty.
    """

    def __init__(self, message: str, *, cause: str = "", mend: str = "") -> None:
        super().__init__(message)
        self.cause = cause or type(self).__name__
        self.mend = mend


class Refused(OutsideError):
    """Nothing was changed outside, and asking again the same way will not help."""


class SignInRefused(Refused):
    """Our own sign-in was refused."""


class CertificateRefused(Refused):
    """The server could not prove who it is; we sent it nothing."""


class NotFound(Refused):
    """The account or record is not there (any more)."""


class PasswordRefused(Refused):
    """The new password breaks a policy there; another one may pass."""


class AdminNotPermitted(Refused):
    """Our role there is not enough for an administrator's account."""


class TenantNotPermitted(Refused):
    """Our role or consent is missing in that tenant."""


class RightMissing(Refused):
    """Our sign-in lacks a right it needs; `mend` names it."""


class Throttled(OutsideError):
    """Nothing was changed; ask again after `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: float, cause: str = "", mend: str = "") -> None:
        super().__init__(message, cause=cause, mend=mend)
        self.retry_after = retry_after


class Unreachable(OutsideError):
    """Nothing was changed: no connection could be made, so nothing was ever sent."""


class NoAnswer(OutsideError):
    """It is UNKNOWN whether anything was changed: the request went out and no answer came back."""
