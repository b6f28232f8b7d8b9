-- Another bucket, folder or address holds nothing of what the one before was told.
ALTER TABLE delivery ADD COLUMN destination text;
ALTER TABLE export_basis ADD COLUMN destination text;
-- What a pause holds is told from what a person holds, so that the end of a pause lets only the former go.
UPDATE delivery d SET reason = 'paused'
  FROM export e, connection c
 WHERE e.id = d.export_id AND c.id = e.connection_id AND d.state = 'held' AND c.paused;
