"""The drain: decisions from a shard's stream into PostgreSQL, exactly once."""
