-- rushd schema, version 2: dead letters keep where they come from, and which of them were sent again.
-- serves: 1
-- (A rushd of version 1 goes on inserting: what it does not know has a default.)

-- The local mode's dead letters.
ALTER TABLE dead_letters
    ADD COLUMN consumer_group text NOT NULL DEFAULT '',
    ADD COLUMN exception      text NOT NULL DEFAULT '',
    ADD COLUMN header_names   text[] NOT NULL DEFAULT '{}',
    ADD COLUMN header_values  bytea[] NOT NULL DEFAULT '{}',
    DROP COLUMN redriven_at;

-- Dead letters, of Kafka or of the table above, that an operator sent again. A letter is known by its topic, partition and
-- offset there (local mode: 0 and the row's id), and by its instant, because a topic that is made anew counts from 0 again.
--   REQUESTED  the node of the local mode is to take it
--   SENDING    it is on its way, or was when its sender died: then it may or may not have arrived
--   SENT       it has arrived: its delivery report is in (local mode: its effects are durable)
--   FAILED     it certainly has not; error says why
CREATE TABLE dead_letter_redrives (
    topic          text NOT NULL,
    "partition"    integer NOT NULL,
    "offset"       bigint NOT NULL,
    timestamp_ms   bigint NOT NULL,        -- of the letter, -1: none
    state          text NOT NULL CHECK (state IN ('REQUESTED', 'SENDING', 'SENT', 'FAILED')),
    as_new_request boolean NOT NULL DEFAULT false, -- a coupon request that was accepted anew
    ticket         bigint,                 -- of that new request
    sends          bigint NOT NULL DEFAULT 0, -- how often it has arrived
    error          text,
    changed_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, "partition", "offset", timestamp_ms)
);
-- The node of the local mode looks each second.
CREATE INDEX dead_letter_redrives_open ON dead_letter_redrives ("offset") WHERE state IN ('REQUESTED', 'SENDING');
