"""What is suspicious: pure functions from card transactions to verdicts.

How a worker (or any other caller) judges a partition, in the order in which it does so::

    watch = Watch(LIVE, watermark_us=stored_watermark)             # one a partition
    memory = value or NOTHING                                      # one a card: bytes, as they are stored
    transaction = decode(raw)                                      # Refusal(reason, field): set the row aside
    memory, findings = watch.observe(memory, transaction, ref, stamp_ms)    # Refusal too: ahead of its time
    for finding in findings:                                       # () nearly always
        known = {ref: decode(read_back(ref)) for ref in finding.refs()}    # what cannot be read back is left out
        alert = make_alert(finding, transaction.card_id, known, raised_at=clock(), arrived_at=stamp)
        produce(encode(alert))
    value = memory

- ``Watch`` (``rules.watch``): ``observe(memory, transaction, ref, stamp_ms) -> (memory, findings)``; attributes
  ``watermark_us`` (store it with the partition's state) and ``counts`` (name -> how often, since creation);
  ``standing(memory) -> list[Finding]`` says again what stands (for a topic under a new identity);
  ``newest_us(memory)`` says how old a memory is.
- ``ref`` is an opaque integer, 0 <= ref < 2**63, by which the caller finds the transaction again (a record's offset,
  with the topic's generation in the high bits if need be). The core never looks inside.
- ``NOTHING``, ``check_version``, ``pack``, ``unpack`` (``rules.layout``): a card's memory is bytes, and ``Memory``
  (``rules.memory``) only while it is looked at as a whole; ``unpack(pack(m))`` decides as ``m`` does.
- ``make_alert``, ``encode``, ``alert_id`` (``rules.alert``); ``decode``, ``Refusal``, ``Transaction``
  (``rules.transaction``).
- ``looks_like_card_number``, ``mask_card_numbers`` (``rules.card_number``).
"""
