"""The schema `analytics`: plain SQL files, applied in the order of their names."""

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade():
    pass


def downgrade():
    pass
