"""Consent: purposes, notices and what people agreed to."""
