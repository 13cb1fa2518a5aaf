"""Conversations below the page: trees of turns, columns of them, and how they are kept, exported and compared."""
