"""From declared requirements to locks that fit every target."""
