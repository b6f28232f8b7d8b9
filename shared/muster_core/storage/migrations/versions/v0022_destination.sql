-- Another bucket, folder or address holds nothing of what the one before was told.
ALTER TABLE delivery ADD COLUMN destination text;
ALTER TABLE export_basis ADD COLUMN destination text;
