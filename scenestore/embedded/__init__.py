"""The embedded engine: SQLite for documents, filters and log; postings by memory map."""
