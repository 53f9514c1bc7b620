"""Mutations: one thing changed in exported files at a time, to see that the checks notice."""
