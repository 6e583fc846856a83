"""What can go wrong with the history. :class:`Unavailable` is worth another try; every other error is not."""

from collections.abc import Collection
from uuid import UUID


class HistoryError(Exception):
    """The root of the history's errors. Nothing was written unless the error says so."""


class Unavailable(HistoryError):
    """PostgreSQL cannot be reached, or went away before it answered: retryable.

    An append that ended so may have been committed. Repeat it with the same event ids: it is recognised if it was.
    """


class Conflict(HistoryError):
    """The stream is not at the version that the writer expected: somebody else has appended. Nothing was written.

    Attributes:
        stream: the stream.
        expected: the version that the writer expected.
        found: the version that the stream has.
    """

    def __init__(self, stream: str, expected: int, found: int) -> None:
        super().__init__(f"{stream} was expected at version {expected}, and is at {found}")
        self.stream, self.expected, self.found = stream, expected, found


class PartlyRecorded(HistoryError):
    """Some events of the batch are recorded and some are not: it repeats no append. Nothing was written.

    Attributes:
        present: ids that are recorded.
        missing: ids that are not.
    """

    def __init__(self, present: Collection[UUID], missing: Collection[UUID]) -> None:
        super().__init__(
            f"{len(present)} of {len(present) + len(missing)} events are recorded already: "
            f"{', '.join(map(str, present))}; not recorded: {', '.join(map(str, missing))}"
        )
        self.present, self.missing = tuple(present), tuple(missing)


class IdTaken(HistoryError):
    """An event id is recorded already, but in another stream or as another type: two causes share an id."""

    def __init__(self, present: Collection[UUID]) -> None:
        super().__init__(
            f"event ids are recorded under another stream or type (derive them from the stream too): "
            f"{', '.join(map(str, present))}"
        )
        self.present = tuple(present)


class UnusableAddress(HistoryError):
    """A setting that should say where PostgreSQL is says something else."""


class SubjectMissing(HistoryError):
    """An event has personal fields and names no subject: there is no key to encrypt them with."""


class UndeclaredClass(HistoryError):
    """Two classes claim the same wire name and schema version, or a class has no wire name."""


class WrongMasterKey(HistoryError):
    """The master key is not the one that wraps this history's customer keys."""


class KeysElsewhere(HistoryError):
    """The customers' keys are not where the settings say: everything would read as erased. Nothing was changed."""


class Unreadable(HistoryError):
    """A stored event does not decrypt or decode though its key is there: damage, to be looked at with ``verify``."""


class CheckpointMoved(HistoryError):
    """Another has taken the subscription over or moved its checkpoint: whoever gets this must stop."""


class SchemaTooNew(HistoryError):
    """The database was written by a newer version of Ringback."""


class SchemaTooOld(HistoryError):
    """The database was written by an older version of Ringback, and there is no way from its tables to these."""
