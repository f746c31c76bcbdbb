"""The representation of rows in HTTP responses: formats, drift, unknown properties, and paging."""
