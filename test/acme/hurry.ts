import { runToEnd } from '../cloud.ts';
import type { Platform } from '../platform.ts';

/** Gives the next try to every validation that waits for it: its row says that it is due, and the loop finds it. */
export async function hurryValidations(platform: Platform): Promise<void> {
  const database = await platform.database();
  try {
    const { rowCount } = await database.query(
      `UPDATE jobs SET run_at = now() - interval '1 minute', hinted_at = NULL WHERE type = 'validation' AND status = 'pending' AND attempts > 0 AND run_at > now()`,
    );
    if (rowCount !== 0) await runToEnd(platform, 'jobProcessor');
  } finally {
    await database.end();
  }
}
