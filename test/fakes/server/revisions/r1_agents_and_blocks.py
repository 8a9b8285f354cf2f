"""agents and blocks

Revision ID: r1
Revises:
Create Date: 2026-01-01 10:00:00.000000

"""

from typing import Sequence, Union

from alembic import op

# revision identifiers, used by Alembic.
revision: str = "r1"
down_revision: Union[str, None] = None
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None


def upgrade() -> None:
    stamp = "created_at timestamptz NOT NULL DEFAULT clock_timestamp()"
    op.execute(f"CREATE TABLE agents (id text PRIMARY KEY, name text NOT NULL, {stamp})")
    op.execute(f"CREATE TABLE blocks (id text PRIMARY KEY, label text NOT NULL, value text, {stamp})")


def downgrade() -> None:
    op.execute("DROP TABLE blocks")
    op.execute("DROP TABLE agents")
