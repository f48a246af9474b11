"""The schema of everything that is served under /v1/, in one document (OpenAPI 3.0)."""

from functools import cache
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator

from audit import api as audit_api
from keys.api import check_path, components
from portal.tenancy import members_api


class ManagementTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped library
    """How the schema names the management token."""

    target_class = "portal.tenancy.authentication.ManagementTokens"
    name = "management_token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """A bearer token (RFC 6750)."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A management token, `csm_…`, of the tenant in the path.",
        }


class DirectoryTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # the same
    """How the schema names the directory token."""

    target_class = "portal.tenancy.directory_tokens.DirectoryTokens"
    name = "directory_token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """A bearer token (RFC 6750)."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A directory token, `csd_…`, of the provider of the tenant in the path.",
        }


def add_check_path(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """drf-spectacular's hook: add what it can't see, the check path and the shared shapes.

    It also believes that a body may be left out where no serializer describes it.
    """
    for operations in result["paths"].values():
        for operation in operations.values():
            if "requestBody" in operation:
                operation["requestBody"]["required"] = True
    found = result.setdefault("components", {})
    found.setdefault("schemas", {}).update(
        components.COMPONENTS
        | audit_api.COMPONENTS
        | members_api.COMPONENTS
        | check_path.COMPONENTS
    )
    found.setdefault("securitySchemes", {}).update(check_path.SECURITY)
    result["paths"] = {**check_path.PATHS, **result["paths"]}
    return result


@cache
def document() -> dict[str, Any]:
    """The schema; the same as in docs/openapi.json."""
    generated: dict[str, Any] = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]  # the same
    return generated
