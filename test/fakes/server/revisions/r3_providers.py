"""providers

Revision ID: r3
Revises: r2
Create Date: 2026-03-01 10:00:00.000000

"""

from alembic import op

# revision identifiers, used by Alembic.
revision = "r3"
down_revision = "r2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE providers (id text PRIMARY KEY, name text NOT NULL, base boolean NOT NULL)")


def downgrade() -> None:
    op.execute("DROP TABLE providers")
