"""Keys: issuing, changing, revoking, the decision that gateways ask for, and usage."""
