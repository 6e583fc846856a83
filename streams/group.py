"""Leaving a consumer group so that others can join it afterwards."""

import confluent_kafka


def leave(consumer: confluent_kafka.Consumer, *, joined: bool) -> None:
    """Ends a consumer; the caller drops its last reference right after.

    A join that is under way is broken off as by a killed process: the broker is told nothing, and misses the member
    when its session times out. The embedded broker (Tansu 0.6.0) is why: when a group's only member takes its leave in
    the middle of a join, nobody is given a partition of that group any more for as long as the broker runs. (After a
    silent end the next member has its partitions within two session time-outs.)

    Args:
        consumer: subscribed.
        joined: whether it has partitions; one that has none may be joining at any time, without having been told.
    """
    if joined:
        consumer.close()
