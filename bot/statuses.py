"""The seven statuses: what each says, what brings it about, and what mends that. `/rotate help STATUS` and the page in
docs are drawn from here, so that they cannot disagree.

Every cause the code gives a refusal has a row here (a test looks for them in the source); a `*` stands for what varies,
such as an error number.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from storage.models import Status


@dataclass(frozen=True, slots=True)
class Cause:
    """What brings a status about, and what a person does about it."""

    keys: tuple[str, ...]
    """The causes it explains, as errors and rotations carry them."""
    what: str
    mend: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """One status, for people."""

    status: Status
    says: str
    causes: tuple[Cause, ...] = ()


MEANINGS = (
    Meaning(
        Status.IN_PROGRESS,
        "It is under way, or waits for a system that is away. Whatever was changed is kept and shown; outages are "
        "waited out, and it goes on by itself.",
        (
            Cause(
                ("unknown-host", "no-address", "no-route", "no-connection", "closed", "closed-port", "no-answer",
                 "lost-reply", "tls-handshake", "too-late", "itglue-down", "read-only-server", "graph-away",
                 "not-graph", "Unreachable", "NoAnswer"),
                "The directory or vault cannot be reached, or did not answer. It is looked at again, at the latest "
                "every 15 minutes; what may have been written is looked up before anything else is done.",
                "Nothing, if it comes back. Else see that it runs and that no firewall is in between: `/rotate "
                "doctor`.",
            ),
            Cause(
                ("busy", "throttled", "itglue-throttled", "itglue-share", "own-pace", "batch", "Throttled"),
                "The system slows us down, or Rekey keeps below its limit, or to its own share of it.",
                "Nothing: it goes on as fast as it may. `share` in the world file is Rekey's part of IT Glue's limit.",
            ),
            Cause(
                ("not-propagated",),
                "The tenant was given consent a moment ago, and not all of Microsoft has heard of it yet.",
                "Nothing: it is asked again with a new token within minutes.",
            ),
            Cause(
                ("recording",),
                "Every directory holds the new password, and the vault does not yet. No further record of that vault "
                "is begun; `/rotate show NAME` shows the new password.",
                "Nothing, if the vault is only away. If its key is refused, mend that, then rotate a record by name.",
            ),
            Cause(
                ("frozen",),
                "Somebody stopped everything in the organization. What was sent is still looked at.",
                "An administrator starts it again: `/rotate start`.",
            ),
            Cause(
                ("own-account-refused", "no-time"),
                "Another sign-in attempt now could lock the account, so Rekey waits until earlier ones count no more.",
                "Nothing. If people lock the account themselves, find out who.",
            ),
        ),
    ),
    Meaning(
        Status.SUCCESSFUL,
        "Every directory was proved to take the new password, and the vault holds it. The old one may work for up to "
        "60 minutes more, and open sessions go on.",
    ),
    Meaning(
        Status.FAILED,
        "It was refused for good and put back, or a person has to look. Every password that may hold anywhere is kept, "
        "and the reason says which system holds which.",
        (
            Cause(
                ("policy", "PasswordRefused"),
                "The directory refused three new passwords in a row, for a rule that cannot be read.",
                "If the reason names a time, wait for it; else look for a password filter there, or lengthen the rule.",
            ),
            Cause(
                ("policy-cannot-be-met",),
                "No password satisfies both the rule and the directory's policy.",
                "Loosen the rule: longest length, or the classes it asks for.",
            ),
            Cause(
                ("restored-too-weak",),
                "The earlier password does not meet what the directory asks today.",
                "Rotate the record instead, or bring it back in the vault only.",
            ),
            Cause(
                ("changed-by-somebody", "vault-changed"),
                "Somebody else set another password meanwhile, in the directory or in the vault. Theirs was left "
                "alone, or is kept as a version.",
                "Decide which one is to hold. Rotating the record by name gives everything a new one.",
            ),
            Cause(
                ("no-effect",),
                "The directory said it took the password, and its set-time never moved.",
                "Look at that domain controller's replication and health, then retry.",
            ),
            Cause(
                ("refused", "refused-*", "read-*", "Refused", "itglue-gone", "itglue-empty", "itglue-4*", "itglue-5*",
                 "itglue-*", "vault-needs-password"),
                "The directory or vault refused this one record for a reason of its own.",
                "The reason quotes it. Mend it there, then retry.",
            ),
            Cause(
                ("sealed",),
                "A kept password does not open: its row was edited or moved, or its key is missing.",
                "`rekey doctor` and `rekey audit verify` say more; `rekey recover` brings it back from the escrow "
                "file.",
            ),
            Cause(
                ("restored",),
                "It was open when the database was put back from a backup.",
                "Run `rekey doctor`, then rotate the record by name.",
            ),
            Cause(
                ("defect",),
                "Rekey itself failed over this one.",
                "Its log says where. Report it, then retry.",
            ),
        ),
    ),
    Meaning(
        Status.API_ERROR,
        "Our sign-in, a right, a certificate, the account or the record is missing, or work towards the system has "
        "stopped. No password was touched.",
        (
            Cause(
                ("sign-in-*", "no-credential", "connection", "SignInRefused", "itglue-key", "itglue-forbidden",
                 "itglue-401", "itglue-403", "token-refused", "bad-key"),
                "Our own sign-in was refused: a wrong, expired or paused credential or key, or an address that is not "
                "let in. Work towards that system stopped, so as not to lock our account.",
                "Give the credential again (`rekey apply`), or let the key and this machine's address in; then retry.",
            ),
            Cause(
                ("conditional-access",),
                "A Conditional Access policy of the tenant stands against Rekey's app.",
                "Leave the app out of that policy, or let this machine's address in; then retry.",
            ),
            Cause(
                ("certificate-*", "not-encrypted", "CertificateRefused"),
                "The server could not prove who it is, so it was sent nothing.",
                "`/rotate doctor` explains the certificate: give the right CA, or renew what the server shows.",
            ),
            Cause(
                ("right-read", "right-reset", "RightMissing", "denied", "directory-empty", "vault-empty"),
                "Our account lacks a right it needs.",
                "Grant it; the reason names it. Then retry.",
            ),
            Cause(
                ("itglue-password-access", "itglue-write"),
                "IT Glue's key may not read or write passwords, so what is there could neither be kept nor proved.",
                "Give the key Password Access (Account, Settings, API Keys), then rotate again.",
            ),
            Cause(
                ("account-gone", "NotFound"),
                "The account is gone from its directory.",
                "Choose another match, or ignore the account: `/rotate match`.",
            ),
            Cause(
                ("record-gone", "vault-record-gone", "vault-record-moved"),
                "The record is gone from its vault: archived, deleted, or another organization's now.",
                "Put it back there, or choose another record for the account: `/rotate match`.",
            ),
            Cause(
                ("outside-networks", "strange-host", "other-origin", "redirect", "bad-header", "not-json", "too-large",
                 "not-a-domain-controller", "other-cloud", "itglue-organization", "itglue-answer",
                 "itglue-vault-id"),
                "The address leads somewhere Rekey may not go, or something else answers there.",
                "Correct the connection in the world file; `REKEY_DIRECTORY_NETWORKS` and `REKEY_EXTRA_HOSTS` say "
                "where Rekey may go.",
            ),
        ),
    ),
    Meaning(
        Status.ADMIN_NOT_PERMITTED,
        "It is an administrator's account, and our role there, or yours here, is not enough; or it is the account "
        "Rekey signs in with, asked for in bulk. No password was touched.",
        (
            Cause(
                ("right-reset-administrator", "AdminNotPermitted"),
                "The directory does not let Rekey's account reset administrators.",
                "Leave administrators' accounts out, or connect with an account that may reset them.",
            ),
            Cause(
                ("role-administrator", "restricted-unit"),
                "In Microsoft 365 our role does not reach this administrator, or this administrative unit.",
                "Give Rekey's app Privileged Authentication Administrator (in that unit, where it is a restricted "
                "one), or leave such accounts out.",
            ),
            Cause(
                ("operator-not-permitted",),
                "Your role does not reach this tier.",
                "Ask an administrator to do it.",
            ),
            Cause(
                ("second-administrator",),
                "No second administrator agreed to it.",
                "Ask for it by name: another administrator is asked then.",
            ),
            Cause(
                ("own-account-in-bulk",),
                "Rekey itself signs in with this account, so it is never one of many.",
                "Rotate it by its name.",
            ),
        ),
    ),
    Meaning(
        Status.MULTI_TENANT_NOT_PERMITTED,
        "Our role or consent is missing in that tenant. No password was touched.",
        (
            Cause(
                ("TenantNotPermitted", "tenant-*", "permission-*", "role-missing"),
                "The tenant has not consented to Rekey or to a permission it needs, or its role there is missing.",
                "Have an administrator of that tenant consent, and give Rekey's app its role: `/rotate setup` has the "
                "links.",
            ),
        ),
    ),
    Meaning(
        Status.NOT_PERMITTED,
        "Something stands in the way on purpose. No password was touched.",
        (
            Cause(
                ("vaulted", "itglue-vaulted"),
                "The record is vaulted: it is encrypted in its owner's browser, and nobody else can write it.",
                "Un-vault it in IT Glue, or choose another record.",
            ),
            Cause(
                ("vault-unreadable",),
                "What the vault holds could not be read, and overwriting it would lose it.",
                "Let Rekey's key read this record there, then rotate it by name.",
            ),
            Cause(
                ("own-account",),
                "Rekey itself signs in with this account, and it is not matched in the connection's settings.",
                "Give it its record: `own_record` in the world file, or `/rotate setup`; then rotate it by name.",
            ),
            Cause(
                ("unmatched",),
                "No account is approved for the record: approving is also the consent to rotate.",
                "`/rotate match`.",
            ),
            Cause(
                ("consent-withdrawn",),
                "The match was taken back meanwhile.",
                "Approve it again, then rotate again.",
            ),
            Cause(
                ("synced", "federated", "synced-no-longer"),
                "The password of this cloud account is set elsewhere: in the Active Directory it is synchronized from, "
                "or with the provider it is federated with.",
                "Connect that Active Directory and match the account there: the cloud follows by itself.",
            ),
            Cause(
                ("no-unlock", "sign-out-not-offered"),
                "The directory offers no such thing.",
                "Nothing: Microsoft lifts its lockouts by itself, and a domain ends sessions when their tickets end.",
            ),
            Cause(
                ("It *", "not-permitted"),
                "A guard: disabled, smart card only, krbtgt, managed service account, trust or directory "
                "synchronization.",
                "The reason says which. Such an account is not rotated while it is so.",
            ),
            Cause(
                ("open", "already-current"),
                "It is being rotated right now, or that version holds already.",
                "Wait until it is over, or leave it.",
            ),
        ),
    ),
)  # fmt: skip


def causes_of(key: str) -> Iterator[tuple[Meaning, Cause]]:
    """Every row that explains a cause, the closest first: one named in full before one with a `*`."""
    rows = [(meaning, cause) for meaning in MEANINGS for cause in meaning.causes]
    exact = [row for row in rows if key in row[1].keys]
    yield from exact or [row for row in rows if any(fnmatchcase(key, pattern) for pattern in row[1].keys)]


def find_meaning(typed: str) -> Meaning | None:
    """The status somebody means by these words: its name whatever its case, a part of it, or nearly it."""
    names = {meaning.status.casefold(): meaning for meaning in MEANINGS}
    said = " ".join(typed.replace("-", " ").replace("_", " ").casefold().split())
    if said in names:
        return names[said]
    near = get_close_matches(said, names, n=1, cutoff=0.6)
    return names[near[0]] if near else None


def as_markdown() -> str:
    """The page in docs."""
    lines = [
        "# The seven statuses",
        "",
        "What each record's latest rotation shows, what brings that about, and what mends it. In Slack the same stands",
        "behind `/rotate help STATUS`. This page is written by `make docs` from `bot/statuses.py`.",
    ]
    for meaning in MEANINGS:
        lines += ["", f"## {meaning.status}", "", meaning.says]
        if meaning.causes:
            lines += ["", "| What brings it about | What to do | Cause |", "|---|---|---|"]
        for cause in meaning.causes:
            keys = ", ".join(f"`{key}`" for key in cause.keys if key.islower() and " " not in key)
            lines.append(f"| {cause.what} | {cause.mend} | {keys} |")
    return "\n".join(lines) + "\n"
