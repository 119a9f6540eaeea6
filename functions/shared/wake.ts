import type { Gates } from '#adapters/dynamodb/gates.ts';
import { CaError } from '#domain/error.ts';
import { hotMs, transactionMs } from '#domain/schedule/gate.ts';
import { hostOf, type LoopName } from '#domain/schedule/loops.ts';

export type Wake = (...loops: readonly LoopName[]) => Promise<void>;

const clockSkewMs = 10_000;
const sealer: LoopName = 'auditChainVerify';

/**
 * Wakes loops before a transaction that makes them due commits, and with them the one that seals the audit rows of every transaction. One announcement covers what an instance begins while it holds, so that
 * a busy instance pays for it every minute, not with every request.
 *
 * @throws {CaError} `unavailable` when it cannot be announced: a change that no loop would see must not commit
 */
export function waker(gates: Pick<Gates, 'wake'>, now: () => number): Wake {
  const announced = new Map<LoopName, number>();
  return async (...loops) => {
    await Promise.all(
      [...new Set([...loops, sealer].map((loop) => hostOf(loop).name))].map(async (loop) => {
        const at = now();
        if (at + transactionMs + clockSkewMs < (announced.get(loop) ?? 0)) return;
        try {
          await gates.wake(loop, at);
        } catch (cause) {
          throw new CaError('unavailable', 'the work could not be announced; try again', { cause, retryAfter: 5 });
        }
        announced.set(loop, at + hotMs);
      }),
    );
  };
}
