-- Each of these is the beginning of another index of its table: whoever reads by it reads by the longer one, and nobody pays for both when writing.
DROP INDEX certificate_authorities_parent;
DROP INDEX eab_keys_profile;
DROP INDEX audit_events_resource;
DROP INDEX audit_events_at;
DROP INDEX managed_certificates_profile;
DROP INDEX managed_certificates_issuer;
DROP INDEX managed_certificates_policy;
DROP INDEX notifications_channel;
DROP INDEX notifications_subject;
DROP INDEX deployments_agent;
