"""The operators' desk: the queue, the case on one screen, and the API that both stand on."""
