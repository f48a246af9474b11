"""Countersign's composition and its lower floors: tools (`core`) and who (`tenancy`)."""
