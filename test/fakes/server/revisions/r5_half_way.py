"""drafts, and a mistake

Revision ID: r5
Revises: r4
Create Date: 2026-05-01 10:00:00.000000

"""

from alembic import op

# revision identifiers, used by Alembic.
revision = "r5"
down_revision = "r4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("CREATE TABLE drafts (id text PRIMARY KEY)")
        op.execute("CREATE INDEX CONCURRENTLY agents_by_title ON agents (title)")
    op.execute("UPDATE agents SET mood = NULL")
    op.execute("ALTER TABLE agents DROP COLUMN nowhere")


def downgrade() -> None:
    op.execute("DROP INDEX agents_by_title")
    op.execute("DROP TABLE drafts")
