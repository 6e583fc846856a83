"""Cases: one open case a customer, from the first alert to the wrap-up."""
