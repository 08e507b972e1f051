"""The words both sides agree on: JSON Schema documents, validation, payload decoding."""
