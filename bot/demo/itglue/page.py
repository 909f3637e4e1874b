"""What a deep link opens in a browser: a record's page, for whoever tries Rekey out."""

from html import escape

from starlette.responses import HTMLResponse, Response

from .account import Account, Password

_PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{name} - pretend IT Glue</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem;color:#1b2733}}
h1{{font-size:1.5rem}} dt{{color:#56697d;margin-top:.8rem}} dd{{margin:0;font-family:ui-monospace,monospace}}
aside{{background:#eef3f8;padding:.6rem 1rem;border-radius:.4rem}}</style></head><body>
<aside>The pretend IT Glue of the demo. Nothing here is anybody's.</aside>
<p>{organization} › Passwords</p><h1>{name}</h1><dl>{facts}</dl></body></html>"""


def page(account: Account, row: Password | None) -> Response:
    """The record's page."""
    if row is None:
        return HTMLResponse("<h1>The page you were looking for doesn't exist.</h1>", 404)
    facts = {
        "Username": row.username or "",
        "Password": "kept in a vault of its own, with a passphrase" if row.vault_id else row.password or "none yet",
        "Last changed": f"{row.password_updated_at:%Y-%m-%d %H:%M:%S} UTC" if row.password_updated_at else "never",
        "Revisions": str(len(row.versions)),
        "Embedded in": f"{row.embedded[0]} {row.embedded[2]}" if row.embedded else "",
        "Notes": row.notes or "",
    }
    return HTMLResponse(
        _PAGE.format(
            name=escape(row.name),
            organization=escape(account.organizations[row.organization_id].name),
            facts="".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts.items() if text),
        ),
        headers={"Cache-Control": "no-store"},
    )
