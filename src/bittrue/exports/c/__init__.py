"""C99 of whole networks: integers alone, and a check against golden vectors."""
