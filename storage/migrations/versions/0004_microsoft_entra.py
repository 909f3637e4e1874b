"""Microsoft Entra ID: the same person in two directories, sign-out everywhere, and what stopped a tenant"""

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TEXT = sqlmodel.sql.sqltypes.AutoString
_ONE_OPEN_STEP = sa.text("ended_at IS NULL AND kind = 'rotate'")


def upgrade() -> None:
    """Bring an older database up to this schema."""
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        for name in ("guard_status", "immutable_id", "sid", "person", "linked_by"):
            batch_op.add_column(sa.Column(name, _TEXT(), nullable=True))
        batch_op.add_column(sa.Column("synced", sa.Boolean(), nullable=False, server_default=sa.false()))
        for name in ("person", "immutable_id", "sid"):
            batch_op.create_index(f"ix_accounts_{name}", ["organization_id", name], unique=False)
    with op.batch_alter_table("lanes", schema=None) as batch_op:
        batch_op.add_column(sa.Column("failure_mend", _TEXT(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("failure_status", _TEXT(), nullable=False, server_default=""))
    for table in ("rules", "rotations", "requests"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(sa.Column("sign_out", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("tasks", schema=None) as batch_op:
        batch_op.drop_index("one_open_step")
        batch_op.create_index(
            "one_open_step",
            ["account_id"],
            unique=True,
            sqlite_where=_ONE_OPEN_STEP,
            postgresql_where=_ONE_OPEN_STEP,
        )
    with op.batch_alter_table("connections", schema=None) as batch_op:
        for name in ("credential_ends_at", "credential_looked_at", "off_at"):
            batch_op.add_column(sa.Column(name, sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True))
        batch_op.add_column(sa.Column("credential_told", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("off_by", _TEXT(), nullable=True))
    op.create_table(
        "tenants",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", _TEXT(), nullable=False),
        sa.Column("name", _TEXT(), nullable=False),
        sa.Column("name_key", _TEXT(), nullable=False),
        sa.Column("domain", _TEXT(), nullable=True),
        sa.Column("skipped_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
        sa.Column("skipped_by", _TEXT(), nullable=True),
        sa.Column("seen_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "tenant_id"),
    )
    # The next sync reads every account anew: what says who is one person was not kept until now.
    op.execute("UPDATE connections SET cursor = NULL WHERE side = 'directory'")
