"""JSON Schemas, as the management API's components are put together from."""

from typing import Any, Final

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """A component by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def text(description: str = "", *, most: int | None = None, **more: Any) -> Schema:
    """A string."""
    found: Schema = {"type": "string", **more}
    if most is not None:
        found["maxLength"] = most
    if description:
        found["description"] = description
    return found


def listed(items: Schema, description: str = "", *, most: int | None = None) -> Schema:
    """An array."""
    found: Schema = {"type": "array", "items": items}
    if most is not None:
        found["maxItems"] = most
    if description:
        found["description"] = description
    return found


def maybe(schema: Schema) -> Schema:
    """The same, or null."""
    return {**schema, "nullable": True}


def shape(properties: Schema, *optional: str, description: str = "", closed: bool = True) -> Schema:
    """An object; every member is there but the `optional` ones."""
    found: Schema = {"type": "object", "properties": properties}
    if required := [name for name in properties if name not in optional]:
        found["required"] = required
    if closed:
        found["additionalProperties"] = False
    if description:
        found["description"] = description
    return found


def a_page(of: Schema) -> Schema:
    """A page of a list."""
    following = maybe(text("The next page's `cursor`; null on the last page."))
    return shape({"results": listed(of), "next": following})


MOMENT: Final = {"type": "string", "format": "date-time"}
