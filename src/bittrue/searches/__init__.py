"""The search for the shortest words that hold the accuracy: allocation, descent by exact simulation, and the claim."""
