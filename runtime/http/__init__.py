"""The faces: each maps one provider's wire to the engine and back."""
