"""What flows: contracts, the entrances of the feed, and the workers that run rules and outreach."""
