"""This machine as a cluster: packs as processes of their own."""
