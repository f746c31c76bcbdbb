"""How truth looks on the wire: field forms, drift, unknown properties, paging and its quirks."""
