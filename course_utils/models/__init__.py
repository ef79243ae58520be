"""The small models that ship with the workbook: recipes, tokenizers, weights."""
