"""The decision: may this key do this, for this person, now? Its own door: no Django, no ORM."""
