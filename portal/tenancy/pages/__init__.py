"""Pages: their base, their forms and lists, and those of sign-in, tenants, people and gateways."""
