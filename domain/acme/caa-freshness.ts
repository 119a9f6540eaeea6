/** Seconds that a CA may rely on CAA records after it looked them up (RFC 8659). */
export const caaFreshSeconds = 8 * 3600;
