"""The OpenSearch engine: entries as rank_features documents, the ledger by compare-and-set."""
