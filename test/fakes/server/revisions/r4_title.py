"""an agent's name is its title

Revision ID: r4
Revises: r3
Create Date: 2026-04-01 10:00:00.000000

"""

from alembic import op

# revision identifiers, used by Alembic.
revision = "r4"
down_revision = "r3"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE agents RENAME COLUMN name TO title")


def downgrade() -> None:
    op.execute("ALTER TABLE agents RENAME COLUMN title TO name")
