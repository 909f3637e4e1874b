"""One pass over what is due towards a vault outside: what rotations have for it comes first."""

from functools import partial

from bot.errands import run
from bot.rotation import recording
from bot.rotation.worker import Worker
from bot.vault_discovery import make_records, sync_records
from bot.vaults.base import Vault
from storage.connections import get_connection
from storage.lanes import get_lane
from storage.models import Organization, TaskKind, TaskState
from storage.tasks import due_tasks


def vault_round(worker: Worker, vault: Vault) -> bool:
    """Do what is due; False when there was nothing. Raises the systemic error that ended it."""
    worker.keep_lease()
    recorded = recording.work(worker, vault)
    with worker.database.reading() as session:
        if get_lane(session, worker.connection_id).frozen_reason is not None:
            return recorded
        home = get_connection(session, worker.connection_id).organization_id
        frozen = session.get_one(Organization, home).frozen_at is not None
        # Reading is no rotation: a stopped organization is still read.
        syncs = due_tasks(session, worker.connection_id, TaskKind.SYNC, [TaskState.READY], 1)
        makes = [] if frozen else due_tasks(session, worker.connection_id, TaskKind.CREATE, [TaskState.READY], 1)
    for tasks, do in ((makes, make_records), (syncs, sync_records)):
        for task in tasks:
            run(
                worker, task, partial(do, worker.database, worker.trail, worker.connection_id, vault, worker.keep_lease)
            )
    return bool(recorded or syncs or makes)
