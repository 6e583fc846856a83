"""Why a worker lets go of a partition and takes it up again."""


class DetectionError(Exception):
    """Root of the errors of this package."""


class LetGo(DetectionError):
    """What this worker holds of a partition counts for nothing any more: drop it, join the group anew."""


class Fenced(LetGo):
    """Another worker has claimed the partition since: its epoch is the higher one."""


class StateLost(LetGo):
    """Redis has lost the partition's state: it is rebuilt from the topic."""


class TopicReplaced(LetGo):
    """The topic is not the one that was read: the broker forgot it, or somebody made it anew."""
