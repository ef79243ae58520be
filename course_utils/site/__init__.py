"""`course site`: the workbook as pages to read, made from the notebooks as they are."""
