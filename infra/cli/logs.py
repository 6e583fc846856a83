"""Where a command's logs go that is no role."""

from infra.telemetry import to_standard_error
from rules.card_number import mask_card_numbers


def keep_logs_apart() -> None:
    """Leaves the standard output to what the command says; a role sets its logs up by itself."""
    to_standard_error(mask_numbers=mask_card_numbers)
