"""What can go wrong between us and the broker, by whether it is worth trying again."""


class StreamsError(Exception):
    """Root of the errors of this package."""


class BrokerAway(StreamsError):  # noqa: N818 - the word of the runbooks and of the HTTP problem
    """The broker did not acknowledge in time, or cannot be reached; retryable.

    Nothing is known of the message in question: it may have been written. Sending it again is harmless for everything
    of ours, because every reader recognises what it has had by its id.
    """


class Undeliverable(StreamsError):  # noqa: N818 - the outcome, as the feed reports it a row
    """The broker will never take this message (too large, a topic that we may not write); permanent."""


class TopicMissing(StreamsError):  # noqa: N818 - the state, not an error of somebody's
    """A topic that should be there is not: the broker has lost it, or nobody has made it yet; retryable."""
