"""moods and notes

Revision ID: r2
Revises: r1
Create Date: 2026-02-01 10:00:00.000000

"""

from typing import Sequence, Union

from alembic import op

# revision identifiers, used by Alembic.
revision: str = "r2"
down_revision: Union[str, None] = "r1"
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None


def upgrade() -> None:
    stamp = "created_at timestamptz NOT NULL DEFAULT clock_timestamp()"
    op.execute("ALTER TABLE agents ADD COLUMN mood text NOT NULL DEFAULT 'calm'")
    op.execute(f"CREATE TABLE notes (id text PRIMARY KEY, text text NOT NULL, {stamp})")


def downgrade() -> None:
    op.execute("DROP TABLE notes")
    op.execute("ALTER TABLE agents DROP COLUMN mood")
