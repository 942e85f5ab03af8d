-- Version 19: what runs after others may have a time before which it does not begin, whenever those have ended.
ALTER TABLE sequel ADD COLUMN not_before REAL; -- NULL: none
