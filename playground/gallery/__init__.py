"""Every picture that was made: kept in the store, searched, marked, deleted, brought back and packed."""
