"""Singer streams: name, keys, schema and replication of each resource."""
