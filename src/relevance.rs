//! Semantic relevance of two items from their verb and noun classes.
