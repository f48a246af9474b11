"""How a person proves who they are, and what a browser that did so may do."""
