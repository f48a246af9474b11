"""The record: what was done, by whom, to what, kept so that it cannot be changed unseen."""
