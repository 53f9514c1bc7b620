"""Where units are carried out beyond this process (docs/decisions/0023-cluster.md)."""
