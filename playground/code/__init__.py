"""Code in answers: the files that one holds, a check over them, and a zip of them. Nothing is ever run."""
