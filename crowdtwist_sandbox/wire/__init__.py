"""How rows are sent over HTTP: formats of fields, drift, unknown properties, and paging."""
