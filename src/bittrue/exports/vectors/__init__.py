"""Golden vectors: what goes in and what every layer makes of it, as codes."""
