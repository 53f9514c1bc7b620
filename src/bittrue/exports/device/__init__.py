"""What the user's own device computed, beside the codes that it should have."""
