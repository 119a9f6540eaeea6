-- Certificates also lie in PKCS#12 files and in Java keystores.
ALTER TABLE discovered_sightings DROP CONSTRAINT discovered_sightings_format_check;
ALTER TABLE discovered_sightings ADD CONSTRAINT discovered_sightings_format_check CHECK (format IN ('pem', 'der', 'pkcs12', 'jks'));
