"""Keras models into Networks: files and model objects, read without Keras's own deserialization."""
