"""IT Glue as the vault: the Vault port over its JSON:API (api.itglue.com/developer).

    settings   which region, which organization there, and which share of its request limit is ours
    share      keeping to that share, whichever organization's work asks
    wire       one call: what is sent, and what each answer means
    reading    an organization's records, all of them or what changed, in as few requests as can be
    connector  the port

What IT Glue does not promise is found out when it happens and said in a sentence: see `connector.ITGlue.check`.
"""

from bot.vaults.itglue.connector import ITGlue
from bot.vaults.itglue.settings import ITGlueSettings

__all__ = ["ITGlue", "ITGlueSettings"]
