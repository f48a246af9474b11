"""Single sign-on by OpenID Connect: whom we ask, what we believe, who is let in."""
