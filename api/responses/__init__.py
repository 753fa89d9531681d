"""Pydantic models of the API's answers, separate from the records, so that records can change and answers stay."""
