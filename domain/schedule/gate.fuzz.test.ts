import fc from 'fast-check';
import { expect, test } from 'vitest';
import { drainedGate, hotMs, isIdle, newGate, transactionMs, type Gate } from './gate.ts';

/**
 * Writers announce, commit some time later (or die before or right after), and ticks read the gate, look at the committed rows, and
 * write back what they left: all interleaved as the property wants. What is drained is what the tick saw.
 */
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('announce' as const),
      commitsAfterMs: fc.integer({ min: 0, max: transactionMs }),
      dies: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('tick' as const), drainMs: fc.integer({ min: 0, max: 50_000 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 120_000 }) }) },
);

test('given any interleaving of writers and ticks, no committed row is ever behind an idle gate once its writers have ended', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let now = Date.UTC(2026, 0, 1, 4);
      let gate: Gate = newGate;
      let later: { at: number; run: () => void }[] = [];
      const undone = new Set<number>();
      let rows = 0;
      const pass = (until: number): void => {
        for (;;) {
          const next = later.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
          if (next === undefined) break;
          later = later.filter((other) => other !== next);
          now = next.at;
          next.run();
        }
        now = until;
      };
      const tick = (drainMs: number): void => {
        const began = now;
        const seen = gate;
        if (isIdle(seen, began)) return;
        // The snapshot is somewhere within the drain; what commits after it is not seen.
        const snapshotAt = began + Math.floor(drainMs / 2);
        later.push({
          at: snapshotAt,
          run: () => {
            const found = [...undone];
            later.push({
              at: began + drainMs,
              run: () => {
                for (const row of found) undone.delete(row);
                if (gate.drainedFrom <= began) gate = { ...gate, ...drainedGate(seen, began, undefined) };
              },
            });
          },
        });
      };
      for (const one of steps) {
        if (one.kind === 'pass') pass(now + one.ms);
        else if (one.kind === 'tick') tick(one.drainMs);
        else {
          gate = { ...gate, seq: gate.seq + 1, hotUntil: now + hotMs };
          const row = rows++;
          // Nobody announces a second time: the writer may die right after its commit.
          if (!one.dies) later.push({ at: now + one.commitsAfterMs, run: () => undone.add(row) });
        }
      }
      // Every writer and every drain has ended; then one tick a minute, as the schedule does.
      pass(now + transactionMs + 60_000);
      for (let minute = 0; minute < 10 && !isIdle(gate, now); minute++) {
        tick(1000);
        pass(now + 60_000);
      }
      expect(isIdle(gate, now)).toBe(true);
      expect([...undone]).toEqual([]);
    }),
    { numRuns: 2000 },
  );
});

test('given a writer that announced and is not heard of again, the gate sleeps once its transaction must have ended', () => {
  const began = Date.UTC(2026, 0, 1, 4);
  const woken: Gate = { ...newGate, seq: 1, hotUntil: began + hotMs };
  expect(isIdle({ ...woken, ...drainedGate(woken, began + 60_000, undefined) }, began + 61_000)).toBe(false);
  expect(isIdle({ ...woken, ...drainedGate(woken, began + hotMs, undefined) }, began + hotMs + 1000)).toBe(true);
});
