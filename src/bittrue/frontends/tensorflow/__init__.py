"""TensorFlow's SavedModels and checkpoints."""
