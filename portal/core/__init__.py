"""Tools that know nothing of the product: settings readers, ids, tokens, versions, Redis, HTTP."""
