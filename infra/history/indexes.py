"""The tables that the writers decide by, against the events: event ids and the streams' versions.

Sums under a seed drawn anew each time are compared first: where they agree the tables do, and nothing is joined.
"""

import secrets

from infra.history.chain import PROBLEMS_AT_MOST, Kind, Problem
from infra.history.writes import Connection


async def index_problems(conn: Connection) -> list[Problem]:
    """What of the two tables does not fit the events; at most a thousand findings each.

    Raises:
        psycopg.Error: PostgreSQL did not answer.
    """
    seed = secrets.randbits(62)
    ids = f"count(*), bit_xor(hashint8extended(position, uuid_hash_extended(event_id, {seed})))"
    versions = (
        "count(*), bit_xor(hashint8extended(position, hashint8extended(version,"
        f' hashtextextended(stream COLLATE "C", {seed}))))'
    )
    # The numbers in it are ours.
    query = f"""
        SELECT (SELECT ROW({ids})::text FROM history.event_ids) = ROW({ids})::text,
               (SELECT ROW({versions})::text FROM history.stream_versions) = ROW({versions})::text
          FROM history.events"""  # noqa: S608
    cursor = await conn.execute(query.encode())
    ((same_ids, same_versions),) = await cursor.fetchall()
    problems: list[Problem] = []
    if not same_ids:
        cursor = await conn.execute(
            "SELECT coalesce(e.position, i.position), e.position IS NULL FROM history.events e"
            " FULL JOIN history.event_ids i ON i.event_id = e.event_id AND i.position = e.position"
            " WHERE e.position IS NULL OR i.position IS NULL ORDER BY 1 LIMIT %s",
            (PROBLEMS_AT_MOST,),
        )
        problems += [
            Problem(
                position,
                Kind.IDS,
                "an event id is listed for it, and no such event is there" if gone else "its event id is not listed",
            )
            for position, gone in await cursor.fetchall()
        ]
    if not same_versions:
        cursor = await conn.execute(
            "SELECT coalesce(e.position, v.position), coalesce(e.stream, v.stream), coalesce(e.version, v.version),"
            " e.position IS NULL FROM history.events e FULL JOIN history.stream_versions v"
            " ON v.stream = e.stream AND v.version = e.version AND v.position = e.position"
            " WHERE e.position IS NULL OR v.position IS NULL ORDER BY 1 LIMIT %s",
            (PROBLEMS_AT_MOST,),
        )
        problems += [
            Problem(
                position,
                Kind.HEAD,
                f"{stream} claims its version {version} there, and no such event is there"
                if gone
                else f"version {version} of {stream} is not listed",
            )
            for position, stream, version, gone in await cursor.fetchall()
        ]
    return problems
