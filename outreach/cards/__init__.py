"""Card actions: hold, decline, block, release and reissue, each asked for once and followed to its answer."""
