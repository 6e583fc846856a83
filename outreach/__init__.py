"""What Ringback does about an alert: customers, cases, contact, card actions and the operators' desk."""
