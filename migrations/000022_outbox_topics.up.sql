-- More than job hints and profiles leaves the system after a commit: loop settings for the gate, notifications for the worker.
ALTER TABLE outbox DROP CONSTRAINT outbox_topic_check;
ALTER TABLE outbox ADD CONSTRAINT outbox_topic_check CHECK (topic IN ('job', 'profile', 'loop', 'notification'));
