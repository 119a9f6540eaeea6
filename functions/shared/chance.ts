import { randomBytes, randomFillSync } from 'node:crypto';
import type { Chance } from '#domain/clock.ts';

const pool = Buffer.allocUnsafe(4096);
let used = pool.length;

/** The real clock and the real dice; small draws come out of a buffer, each byte once. */
export const chance: Chance = {
  now: () => Date.now(),
  random(bytes) {
    if (bytes > pool.length) return randomBytes(bytes);
    if (used + bytes > pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    const drawn = Buffer.from(pool.subarray(used, used + bytes));
    pool.fill(0, used, used + bytes);
    used += bytes;
    return drawn;
  },
};
