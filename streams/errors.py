"""What can go wrong between us and the broker, by whether it is worth trying again."""


class StreamsError(Exception):
    """Root of the errors of this package."""


class BrokerAway(StreamsError):
    """The broker did not acknowledge in time, or cannot be reached; retryable.

    Nothing is known of the message in question: it may have been written. Sending it again is harmless for everything
    of ours, because every reader recognises what it has had by its id.
    """


class Undeliverable(StreamsError):
    """The broker will never take this message (too large, a topic that we may not write); permanent."""


class TopicMissing(StreamsError):
    """A topic that should be there is not: the broker has lost it, or nobody has made it yet; retryable."""
