"""What goes wrong with a case: a refusal is the case's own answer, not a fault."""


class CaseError(Exception):
    """Root of the errors of this package."""


class Refused(CaseError):
    """The case does not do what was asked; nothing was recorded. Trying again gives the same answer.

    Attributes:
        code: stable, for programs: ``no_case``, ``no_task``, ``taken``, ``not_holder``, ``unknown_payment`` ...
        reason: one sentence for a person, without personal data.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class Busy(CaseError):
    """Others wrote to the same streams again and again; nothing was recorded. Retryable."""
