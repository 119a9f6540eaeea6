-- Lists that are short in most installations are read in the order of an index, too: nobody knows how many there will be. Names are unique, and have one.
CREATE INDEX issuers_created ON issuers (created_at, id);
CREATE INDEX notification_channels_created ON notification_channels (created_at, id);
