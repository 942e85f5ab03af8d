-- Version 3: what is past keeping is found by an index, however much is kept. Times are indexed behind what they are of.
CREATE INDEX ended ON task (state, ended_at) WHERE state > 2;
CREATE INDEX done ON task (id) WHERE state = 3;
CREATE INDEX process_left ON process (left_at) WHERE left_at IS NOT NULL;
