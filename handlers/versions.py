"""Bringing an earlier version of a password back: which one, where, and then the preview that is confirmed."""

from slack_bolt import Ack, App
from sqlmodel import Session

from blocks import parts, previews, versions
from bot.permissions import may_see
from bot.rotation import requests
from bot.rotation.restoring import Restore
from bot.services import Services
from handlers.context import Asked
from handlers.errors import WrongFields
from handlers.people import Refusal
from storage.connections import get_connection
from storage.models import Organization, Record, Revision
from storage.organizations import get_organization
from storage.records import get_record
from storage.revisions import get_revisions


def register(app: App, _services: Services) -> None:
    """Listen to the versions in a record's window."""

    @app.action(versions.BRING_BACK)
    def bring_back(ack: Ack, asked: Asked) -> None:
        ack()
        revision_id, _ = asked.row()
        with asked.services.database.reading() as session:
            revision, record, organization = _version(asked, session, revision_id)
            vault = get_connection(session, record.connection_id).name
        memo = parts.memo_for(asked.operator.key, organization.id, version=revision.id)
        asked.opens(versions.where(record, organization, revision, vault, memo))

    @app.view(versions.CHOSEN)
    def chosen(ack: Ack, asked: Asked) -> None:
        states = asked.view.get("state", {}).get("values", {}).get(versions.WHERE, {})
        where = ((states.get(versions.WHERE) or {}).get("selected_option") or {}).get("value")
        if where not in (versions.VAULT_ONLY, versions.EVERYWHERE):
            raise WrongFields({versions.WHERE: "Say where it is to hold again."})
        revision_id = asked.memo.get("version")
        if not isinstance(revision_id, int):
            raise Refusal("This view carries something Rekey did not put there.")
        restore = Restore(revision_id, vault_only=where == versions.VAULT_ONLY)
        ack(response_action="update", view=_preview(asked, restore))


def _preview(asked: Asked, restore: Restore) -> dict[str, object]:
    services = asked.services
    with asked.writing() as session:
        _, record, organization = _version(asked, session, restore.revision_id)
        drafted = requests.draft(
            session, services.trail, services.settings, asked.operator, organization, [record], restore
        )
    memo = parts.memo_for(asked.operator.key, organization.id, request=drafted.request.id)
    return previews.preview(drafted, memo)


def _version(asked: Asked, session: Session, revision_id: int) -> tuple[Revision, Record, Organization]:
    """This version with its record and organization, where it may be spoken of."""
    revision = get_revisions(session, [revision_id]).get(revision_id)
    if revision is None:
        raise Refusal("This version is not known to Rekey (any more). Nothing was changed.")
    asked.here(revision.organization_id)
    asked.allow(may_see(asked.operator, revision.organization_id))
    organization = get_organization(session, revision.organization_id)
    return revision, get_record(session, organization.id, revision.record_id), organization
