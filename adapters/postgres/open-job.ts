/** Whether a job has not come to its end yet, as SQL over `jobs`. */
export const isOpen = `(status IN ('pending', 'awaiting_csr', 'awaiting_approval', 'running') OR retryable)`;

/** What becomes of a job that nobody shall do any more, as SQL of its UPDATE. */
export const cancelled = `status = 'cancelled', retryable = false, completed_at = now(), state_entered_at = now(), lease_token = NULL, lease_expires_at = NULL`;
