"""Active Directory over LDAPS; the only package that speaks LDAP (ldap3).

`ActiveDirectory` is the connector, `ActiveDirectorySettings` what it needs to find and trust a domain. Inside: wire,
session and sessions (TLS, signing in, failover), entries (values off the wire), accounts (tiers and guards), privileged
(who is an administrator), policy, standing, proof, reading (listings), diagnostics (what refusals mean), rights (who
may reset) and checkup (`check`).
"""

from bot.directories.active_directory.connector import ActiveDirectory
from bot.directories.active_directory.settings import ActiveDirectorySettings, Server

__all__ = ["ActiveDirectory", "ActiveDirectorySettings", "Server"]
