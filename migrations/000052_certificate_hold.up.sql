-- A certificate may be held (certificateHold, RFC 5280 §5.3.1) and set free again; nothing renews it meanwhile.
ALTER TABLE managed_certificates DROP CONSTRAINT managed_certificates_state_check;
ALTER TABLE managed_certificates ADD CONSTRAINT managed_certificates_state_check CHECK (state IN ('pending', 'active', 'held', 'revoked', 'archived'));
