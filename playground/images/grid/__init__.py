"""X/Y/Z grids: one request over up to three axes of values, run cell by cell, kept on disk, written out as files."""
