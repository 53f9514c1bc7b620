"""Exports of a FixedNetwork: a folder a target."""
