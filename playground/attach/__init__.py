"""Files that go with a message: documents, code, PDFs and projects as text, and what of them fits. Knows no models."""
