"""colours

Revision ID: r6
Revises: r2
Create Date: 2026-06-01 10:00:00.000000

"""

from alembic import op

# revision identifiers, used by Alembic.
revision = "r6"
down_revision = "r2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE agents ADD COLUMN colour text")


def downgrade() -> None:
    op.execute("ALTER TABLE agents DROP COLUMN colour")
