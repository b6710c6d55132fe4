"""The versions of the sectoral repertory's tables."""
