"""How gateways ask: the check API and the forward-auth dialects, as a plain ASGI callable."""
