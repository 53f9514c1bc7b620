"""Charts of what was found: Vega-Lite specifications, and the pictures that notebooks show."""
