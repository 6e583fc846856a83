"""Every metric of Ringback: its name, its unit and its meaning, in one place.

Names begin with ``ringback_`` and carry their unit. No label holds personal data, a card, a customer or a case.

Where ``PROMETHEUS_MULTIPROC_DIR`` is set before this module is first imported, each process keeps its figures in a file
of that folder and any of them shows the figures of all; otherwise a process shows its own.
"""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

_FAST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_PATIENT_S = (0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 1800)

REGISTRY = CollectorRegistry()
"""Holds the figures of this process."""

# --- the feed -------------------------------------------------------------------------------------------------------

FEED_BATCHES = Counter(
    "ringback_feed_batches_total",
    "Batches that came over HTTP, by the status they were given.",
    ["status"],
    registry=REGISTRY,
)
FEED_ROWS = Counter(
    "ringback_feed_rows_total",
    "Rows that came over HTTP: accepted, refused, or unacknowledged by the broker.",
    ["result"],
    registry=REGISTRY,
)
FEED_BATCH_SECONDS = Histogram(
    "ringback_feed_batch_seconds",
    "From the first byte of a batch's body to the acknowledgement of its last row.",
    buckets=_FAST_S,
    registry=REGISTRY,
)
TRANSACTIONS_REFUSED = Counter(
    "ringback_transactions_refused_total",
    "Transactions that could not be read and were set aside, by reason and by who noticed.",
    ["source", "reason"],
    registry=REGISTRY,
)

# --- detection ------------------------------------------------------------------------------------------------------

TRANSACTIONS = Counter(
    "ringback_transactions_total",
    "Transactions that detection has judged, by what became of them.",
    ["result"],
    registry=REGISTRY,
)
SIGHTINGS = Counter(
    "ringback_sightings_total",
    "What was counted while judging: why a transaction is no sighting (without_customer, card_absent,"
    " in_transit, no_place), how one is placed whose point says nothing (by_city, by_airport, by_country;"
    " point_gave_way, point_in_doubt), duplicates, conflicts, too late.",
    ["reason"],
    registry=REGISTRY,
)
ALERTS = Counter(
    "ringback_alerts_total", "Alerts that detection has produced.", ["status", "verdict"], registry=REGISTRY
)
RULESET_ALERTS = Counter(
    "ringback_ruleset_alerts_total",
    "Alerts by the version of the rule set that raised them, live or in the shadow.",
    ["version", "mode", "status"],
    registry=REGISTRY,
)
RULESET_TAKEN_UP = Counter(
    "ringback_ruleset_taken_up_total",
    "How often a partition took other rule sets up, by the version that is live since.",
    ["version"],
    registry=REGISTRY,
)
DETECTION_BATCH_SECONDS = Histogram(
    "ringback_detection_batch_seconds", "Time to judge one batch of transactions.", buckets=_FAST_S, registry=REGISTRY
)
DETECTION_FLUSH_SECONDS = Histogram(
    "ringback_detection_flush_seconds",
    "Time to write the changed cards and the position after them.",
    buckets=_FAST_S,
    registry=REGISTRY,
)
DETECTION_LET_GO = Counter(
    "ringback_detection_let_go_total",
    "How often a worker dropped its partitions and took them up anew: fenced, state lost, topic replaced.",
    ["reason"],
    registry=REGISTRY,
)
DETECTION_PARTITIONS = Gauge(
    "ringback_detection_partitions",
    "Partitions of the transactions topic that a worker has in its care, by its process id.",
    ["process"],
    registry=REGISTRY,
    multiprocess_mode="livemostrecent",
)
DETECTION_LAG = Gauge(
    "ringback_detection_lag_records",
    "Records of the transactions topic that detection has not judged yet.",
    ["partition"],
    registry=REGISTRY,
    multiprocess_mode="livemostrecent",
)
DETECTION_LAG_SECONDS = Gauge(
    "ringback_detection_lag_seconds",
    "Age of the oldest of the records that detection has not judged yet; 0 when there are none.",
    ["partition"],
    registry=REGISTRY,
    multiprocess_mode="livemostrecent",
)
DETECTION_STILL_SECONDS = Gauge(
    "ringback_detection_still_seconds",
    "For so long detection has judged nothing of a partition although records wait there; from 20 on it is stuck.",
    ["partition"],
    registry=REGISTRY,
    multiprocess_mode="livemostrecent",
)

# --- history and read models ----------------------------------------------------------------------------------------

HISTORY_EVENTS = Counter(
    "ringback_history_events_total",
    "Events appended to the history by this process, by type.",
    ["type"],
    registry=REGISTRY,
)
HISTORY_APPEND_SECONDS = Histogram(
    "ringback_history_append_seconds", "Time of one append, commit included.", buckets=_FAST_S, registry=REGISTRY
)
HISTORY_SEALED_POSITION = Gauge(
    "ringback_history_sealed_position",
    "Position of the newest seal that this process has made.",
    registry=REGISTRY,
    multiprocess_mode="livemostrecent",
)
HISTORY_SEAL_REFUSED = Counter(
    "ringback_history_seal_refused_total",
    "Times that the history was not sealed because it does not follow from its last seal: somebody has to look.",
    registry=REGISTRY,
)
READ_MODEL_LAG = Gauge(
    "ringback_read_model_lag_events",
    "Events of the history that a read model has not applied yet.",
    ["read_model"],
    registry=REGISTRY,
    multiprocess_mode="livemostrecent",
)

READ_MODEL_TO_BUILD = Gauge(
    "ringback_read_model_to_build_events",
    "Events that a version of a read model, built beside the one that serves, has still to apply; 0: none is built.",
    ["read_model"],
    registry=REGISTRY,
    multiprocess_mode="livemostrecent",
)

# --- outreach -------------------------------------------------------------------------------------------------------

CASES_OPENED = Counter("ringback_cases_opened_total", "Cases opened.", registry=REGISTRY)
CASES_RESOLVED = Counter("ringback_cases_resolved_total", "Cases resolved, by how.", ["resolution"], registry=REGISTRY)
CONTACTS = Counter(
    "ringback_contacts_total",
    "Messages to customers by channel, purpose and outcome: accepted, unknown, failed or refused.",
    ["channel", "purpose", "outcome"],
    registry=REGISTRY,
)
PAYMENT_TO_MESSAGE_SECONDS = Histogram(
    "ringback_payment_to_message_seconds",
    "From the arrival of the payment that raised the alert (broker's time stamp) to the message's acceptance.",
    ["channel"],
    buckets=_PATIENT_S,
    registry=REGISTRY,
)
DELIVERIES = Counter(
    "ringback_deliveries_total",
    "Delivery reports of providers, by channel and status.",
    ["channel", "status"],
    registry=REGISTRY,
)
REPLIES = Counter(
    "ringback_replies_total", "What customers wrote, by its meaning.", ["channel", "meaning"], registry=REGISTRY
)
CARD_COMMANDS = Counter(
    "ringback_card_commands_total", "Commands sent to the bank's card system, by action.", ["action"], registry=REGISTRY
)
CARD_ANSWERS = Counter(
    "ringback_card_answers_total", "Answers of the bank's card system, by type.", ["type"], registry=REGISTRY
)
CARD_COMMANDS_FAILED = Counter(
    "ringback_card_commands_failed_total",
    "Commands to the bank's card system that came to nothing: refused, unanswered, or superseded by a later one.",
    ["reason"],
    registry=REGISTRY,
)
TIMERS_FIRED = Counter(
    "ringback_timers_fired_total",
    "What was waited for in vain and led to a command, by kind.",
    ["kind"],
    registry=REGISTRY,
)
MESSAGES_REFUSED = Counter(
    "ringback_messages_refused_total",
    "Messages of topics other than transactions that could not be used and were set aside.",
    ["topic", "reason"],
    registry=REGISTRY,
)
RELAYED = Counter("ringback_relayed_events_total", "Events of the history sent to case-events.", registry=REGISTRY)
RELAY_LAG = Gauge(
    "ringback_relay_lag_events",
    "Events of the history that are not acknowledged on case-events yet, as of the relay's newest attempt.",
    registry=REGISTRY,
    multiprocess_mode="livemostrecent",
)

# --- the web process ------------------------------------------------------------------------------------------------

HTTP_REQUESTS = Counter(
    "ringback_http_requests_total",
    "Requests by route (its pattern, never the path) and status.",
    ["route", "status"],
    registry=REGISTRY,
)
HTTP_REQUEST_SECONDS = Histogram(
    "ringback_http_request_seconds",
    "Time to answer, by route; event streams are not counted.",
    ["route"],
    buckets=_FAST_S,
    registry=REGISTRY,
)


def exposition() -> bytes:
    """All figures in Prometheus' text format: of every process that shares the folder, else of this one.

    Raises:
        ValueError: ``PROMETHEUS_MULTIPROC_DIR`` names no folder.
    """
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    shared = CollectorRegistry()
    multiprocess.MultiProcessCollector(shared)  # type: ignore[no-untyped-call]  # the library declares no types here
    return generate_latest(shared)
