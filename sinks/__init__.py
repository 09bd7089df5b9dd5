"""Where results go: the SQL warehouse, webhooks, and the redaction that everything passes first."""
