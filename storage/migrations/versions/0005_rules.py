"""Rules, schedules and who gets told"""

import json

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

revision = '0005'
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring an older database up to this schema."""
    _rules_and_schedules()
    _telling()


def _rules_and_schedules() -> None:
    """What a rule may say, and what schedules remember."""
    text, moment = sqlmodel.sql.sqltypes.AutoString, sqlmodel.sql.sqltypes.UTCDateTime
    with op.batch_alter_table('rules', schema=None) as batch_op:
        batch_op.add_column(sa.Column('enabled', sa.Boolean(), nullable=False, server_default=sa.true()))
        batch_op.add_column(sa.Column('symbols', text(), nullable=True))
        batch_op.add_column(sa.Column('tiers', sa.JSON(), nullable=False, server_default='["shared"]'))
        batch_op.add_column(sa.Column('scheduled', sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column('every_days', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('weekdays', sa.JSON(), nullable=False, server_default='[]'))
        batch_op.add_column(sa.Column('month_day', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('at', text(), nullable=False, server_default='02:00'))
        batch_op.add_column(sa.Column('windows', sa.JSON(), nullable=False, server_default='[]'))
        batch_op.add_column(sa.Column('blackouts', sa.JSON(), nullable=False, server_default='[]'))
        batch_op.add_column(sa.Column('spread', sa.Boolean(), nullable=False, server_default=sa.true()))
        batch_op.add_column(sa.Column('manual_restarts', sa.Boolean(), nullable=False, server_default=sa.true()))
        batch_op.add_column(sa.Column('notice_hours', sa.Integer(), nullable=False, server_default='24'))
        batch_op.add_column(sa.Column('changed_by', text(), nullable=True))
        batch_op.add_column(sa.Column('changed_at', moment(), nullable=True))
    with op.batch_alter_table('tasks', schema=None) as batch_op:
        batch_op.add_column(sa.Column('until_at', moment(), nullable=True))
    waiting = sa.text('ended_at IS NULL AND until_at IS NOT NULL')
    op.create_index('ix_tasks_until', 'tasks', ['until_at'], unique=False, sqlite_where=waiting, postgresql_where=waiting)

    op.create_table('due_times',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('organization_id', sa.Integer(), nullable=False),
    sa.Column('record_id', sa.Integer(), nullable=False),
    sa.Column('day', text(), nullable=False),
    sa.Column('due_at', moment(), nullable=False),
    sa.Column('taken_at', moment(), nullable=False),
    sa.Column('request_id', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['organization_id', 'record_id'], ['records.organization_id', 'records.id'], ),
    sa.ForeignKeyConstraint(['request_id'], ['requests.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('record_id', 'day')
    )
    with op.batch_alter_table('due_times', schema=None) as batch_op:
        batch_op.create_index('ix_due_times_request', ['request_id'], unique=False)

    op.create_table('postponements',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('organization_id', sa.Integer(), nullable=False),
    sa.Column('record_id', sa.Integer(), nullable=True),
    sa.Column('day', text(), nullable=False),
    sa.Column('until', moment(), nullable=True),
    sa.Column('created_by', text(), nullable=False),
    sa.Column('created_at', moment(), nullable=False),
    sa.ForeignKeyConstraint(['organization_id', 'record_id'], ['records.organization_id', 'records.id'], ),
    sa.ForeignKeyConstraint(['organization_id'], ['organizations.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('postponements', schema=None) as batch_op:
        batch_op.create_index('ix_postponements_organization', ['organization_id', 'day'], unique=False)

    op.create_table('exclusions',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('organization_id', sa.Integer(), nullable=False),
    sa.Column('record_id', sa.Integer(), nullable=False),
    sa.Column('created_by', text(), nullable=False),
    sa.Column('created_at', moment(), nullable=False),
    sa.ForeignKeyConstraint(['organization_id', 'record_id'], ['records.organization_id', 'records.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('record_id')
    )
    op.create_table('timetables',
    sa.Column('organization_id', sa.Integer(), nullable=False),
    sa.Column('look_at', moment(), nullable=False),
    sa.Column('next_run_at', moment(), nullable=True),
    sa.Column('cadence', text(), nullable=False),
    sa.Column('since', moment(), nullable=True),
    sa.Column('timezone', text(), nullable=False),
    sa.ForeignKeyConstraint(['organization_id'], ['organizations.id'], ),
    sa.PrimaryKeyConstraint('organization_id')
    )
    with op.batch_alter_table('timetables', schema=None) as batch_op:
        batch_op.create_index('ix_timetables_look', ['look_at'], unique=False)

    op.create_table('directory_policies',
    sa.Column('connection_id', sa.Integer(), nullable=False),
    sa.Column('policies', sa.JSON(), nullable=False),
    sa.Column('trouble', text(), nullable=False),
    sa.Column('read_at', moment(), nullable=False),
    sa.ForeignKeyConstraint(['connection_id'], ['connections.id'], ),
    sa.PrimaryKeyConstraint('connection_id')
    )


def _telling() -> None:
    """Who gets told: wishes (which profiles held until now), letters, aftershocks, digests."""
    op.create_table('letters',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('uid', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('organization_id', sa.Integer(), nullable=True),
    sa.Column('kind', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('subject', sa.Integer(), nullable=False),
    sa.Column('operator', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('view', sa.JSON(), nullable=False),
    sa.Column('due_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('trouble', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('sending_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('created_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('ended_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['organization_id'], ['organizations.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('uid')
    )
    with op.batch_alter_table('letters', schema=None) as batch_op:
        batch_op.create_index('ix_letters_owed', ['due_at'], unique=False, sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))
        batch_op.create_index('one_letter_per_piece_of_work', ['kind', 'subject', 'operator'], unique=True, sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))

    wishes = op.create_table('wishes',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('operator', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('organization_id', sa.Integer(), nullable=True),
    sa.Column('way', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('tell', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.ForeignKeyConstraint(['organization_id'], ['organizations.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('operator', 'organization_id')
    )
    with op.batch_alter_table('wishes', schema=None) as batch_op:
        batch_op.create_index('one_wish_for_everywhere', ['operator'], unique=True, sqlite_where=sa.text('organization_id IS NULL'), postgresql_where=sa.text('organization_id IS NULL'))
    _keep_what_people_chose(wishes)

    op.create_table('aftershocks',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('organization_id', sa.Integer(), nullable=False),
    sa.Column('rotation_id', sa.Integer(), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('connection_id', sa.Integer(), nullable=False),
    sa.Column('bad', sa.Integer(), nullable=False),
    sa.Column('bad_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('locked_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('silent', sa.JSON(), nullable=False),
    sa.Column('seen_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('unlock_asked_by', sqlmodel.sql.sqltypes.AutoString(), nullable=True),
    sa.Column('unlocked_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('unlock_reason', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.ForeignKeyConstraint(['organization_id', 'account_id'], ['accounts.organization_id', 'accounts.id'], ),
    sa.ForeignKeyConstraint(['organization_id', 'connection_id'], ['connections.organization_id', 'connections.id'], ),
    sa.ForeignKeyConstraint(['organization_id', 'rotation_id'], ['rotations.organization_id', 'rotations.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('rotation_id', 'account_id')
    )
    op.create_table('announcements',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('organization_id', sa.Integer(), nullable=False),
    sa.Column('day', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('due_day', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('begins_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('skipped', sa.Boolean(), nullable=False),
    sa.Column('decided_by', sqlmodel.sql.sqltypes.AutoString(), nullable=True),
    sa.Column('decided_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('created_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('ended_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['organization_id'], ['organizations.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('organization_id', 'day')
    )
    with op.batch_alter_table('announcements', schema=None) as batch_op:
        batch_op.create_index('ix_announcements_open', ['begins_at'], unique=False, sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))
    with op.batch_alter_table('profiles', schema=None) as batch_op:
        batch_op.add_column(sa.Column('digest_by', sqlmodel.sql.sqltypes.AutoString(), nullable=False, server_default='message'))
        batch_op.add_column(sa.Column('digest_hour', sa.Integer(), nullable=False, server_default='8'))
        batch_op.add_column(sa.Column('timezone', sqlmodel.sql.sqltypes.AutoString(), nullable=True))
        batch_op.add_column(sa.Column('digested_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True))
        batch_op.drop_column('tell')
        batch_op.drop_column('follows')
    with op.batch_alter_table('rotations', schema=None) as batch_op:
        batch_op.add_column(sa.Column('taken_by', sqlmodel.sql.sqltypes.AutoString(), nullable=True))
        batch_op.add_column(sa.Column('taken_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True))
        batch_op.create_index('ix_rotations_stuck', ['organization_id'], unique=False, sqlite_where=sa.text("state = 'stuck'"), postgresql_where=sa.text("state = 'stuck'"))
    only_rotations = sa.text("ended_at IS NULL AND account_id IS NOT NULL AND kind = 'rotate'")
    with op.batch_alter_table('tasks', schema=None) as batch_op:
        batch_op.drop_index('one_open_step')
        batch_op.create_index('one_open_step', ['account_id'], unique=True, sqlite_where=only_rotations, postgresql_where=only_rotations)


def _keep_what_people_chose(wishes: sa.Table) -> None:
    profiles = sa.table('profiles', sa.column('operator'), sa.column('tell'), sa.column('follows'))
    rows = []
    for operator, tell, follows in op.get_bind().execute(sa.select(profiles.c.operator, profiles.c.tell, profiles.c.follows)):
        followed = json.loads(follows) if isinstance(follows, str) else follows or []
        wish = {'operator': operator, 'way': 'none' if tell == 'none' else 'message', 'tell': 'failures' if tell == 'failures' else 'all'}
        rows += [{**wish, 'organization_id': each} for each in (None, *followed)]
    if rows:
        op.bulk_insert(wishes, rows)
