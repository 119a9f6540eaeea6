import { expect, test } from 'vitest';
import { drainedGate, isIdle, newGate, type Gate } from './gate.ts';
import { hostOf, loops, scheduledLoops } from './loops.ts';
import { runTick, type Drain, type TickEvent, type TickOutcome, type TickPorts } from './tick.ts';

const loop = hostOf('jobProcessor');
const start = Date.UTC(2026, 0, 1, 4);
const at = (milliseconds: number): string => new Date(milliseconds).toISOString();

/** Gate and runs in memory; `opened` counts how often PostgreSQL would have been opened. */
function house(options: { gate?: Partial<Gate>; begun?: 'started' | 'held' | 'duplicate' | 'disabled'; keepsLease?: boolean } = {}) {
  let gate: Gate = { ...newGate, ...options.gate };
  const state = { now: start, opened: 0, drained: 0, outcomes: [] as TickOutcome[], ends: [] as string[] };
  const ports: TickPorts = {
    now: () => state.now,
    newId: (prefix) => `${prefix}-1`,
    gates: {
      tick: async (_, key, now) => {
        const before = gate;
        gate = { ...gate, tick: key, heartbeat: now };
        return before;
      },
      drained: async (_, left) => {
        state.drained += 1;
        gate = { ...gate, ...left };
      },
      outcome: async (_, outcome) => void state.outcomes.push(outcome),
    },
    runs: {
      begin: async () => {
        state.opened += 1;
        const kind = options.begun ?? 'started';
        return kind === 'started' ? { kind, runId: 'run-1', token: '1' } : { kind };
      },
      finish: async (_, end) => {
        state.ends.push(end.outcome);
        return options.keepsLease ?? true;
      },
    },
  };
  const tick = (event: TickEvent, work: () => Promise<Drain> = async () => ({ processed: 1, failed: 0, nextDue: undefined })) =>
    runTick(ports, loop, event, 50_000, work);
  return { state, tick, gate: () => gate };
}

test('given an idle platform, when every loop ticks for 23 hours, then PostgreSQL is opened by none of them', async () => {
  for (const each of scheduledLoops) {
    const idle: Gate = { ...newGate, ...drainedGate(newGate, start - 60_000, undefined) };
    const { state, tick } = house({ gate: idle });
    const end = start + 23 * 3_600_000 - 3_600_000;
    for (let now = start; now < end; now += each.everyMinutes * 60_000) {
      state.now = now;
      expect((await tick({ scheduledTime: at(now) })).outcome).toBe('idle');
    }
    expect([each.name, state.opened]).toEqual([each.name, 0]);
  }
});

test('given nothing due earlier, all loops are due in the same daily window', () => {
  const drained = scheduledLoops.map((_, index) => drainedGate(newGate, start + index * 3_600_000, undefined).nextDue);
  expect(new Set(drained)).toEqual(new Set([Date.UTC(2026, 0, 2, 3)]));
});

test('given the same tick twice, the second leaves before PostgreSQL is opened', async () => {
  const { state, tick } = house();
  expect((await tick({ scheduledTime: at(start) })).outcome).toBe('succeeded');
  expect((await tick({ scheduledTime: at(start) })).outcome).toBe('duplicate_tick');
  expect(state.opened).toBe(1);
});

test('given a tick older than its interval, it leaves and touches nothing', async () => {
  const { state, tick, gate } = house();
  state.now = start + 60_001;
  expect((await tick({ scheduledTime: at(start) })).outcome).toBe('stale_tick');
  expect([state.opened, gate()]).toEqual([0, newGate]);
});

test('given an event that names neither a time nor a run, it is a clear error', async () => {
  await expect(house().tick({})).rejects.toMatchObject({ code: 'malformed', message: expect.stringContaining('jobProcessor') as string });
  await expect(house().tick({ scheduledTime: 'yesterday' })).rejects.toMatchObject({ code: 'malformed' });
});

test('given a scheduler without context attributes, the clock rounded to the interval names the tick', async () => {
  const { state, tick, gate } = house();
  state.now = start + 12_345;
  expect((await tick({ scheduledTime: '<aws.scheduler.scheduled-time>' })).outcome).toBe('succeeded');
  expect(gate().tick).toBe(at(start));
});

test('given a disabled loop, its ticks are noted as disabled, and its runs by hand too', async () => {
  const { state, tick } = house({ gate: { enabled: false } });
  expect((await tick({ scheduledTime: at(start) })).outcome).toBe('disabled');
  expect((await tick({ run: 'run-9' })).outcome).toBe('disabled');
  expect([state.opened, state.outcomes]).toEqual([0, ['disabled', 'disabled']]);
});

test('given an interval that an operator stretched, ticks between leave until it has passed', async () => {
  const { state, tick } = house({ gate: { intervalOverride: 600, drainedFrom: start, seq: 1 } });
  state.now = start + 120_000;
  expect((await tick({ scheduledTime: at(state.now) })).outcome).toBe('not_due');
  state.now = start + 600_000;
  expect((await tick({ scheduledTime: at(state.now) })).outcome).toBe('succeeded');
});

test('given nothing due, a run by hand works all the same', async () => {
  const idle: Gate = { ...newGate, ...drainedGate(newGate, start - 60_000, undefined) };
  const { state, tick } = house({ gate: idle });
  expect((await tick({ run: 'run-9' })).outcome).toBe('succeeded');
  expect(state.opened).toBe(1);
});

test('given another copy that holds the lease, the tick is recorded as such and the gate stays open', async () => {
  const { state, tick, gate } = house({ begun: 'held', gate: { seq: 1 } });
  expect((await tick({ scheduledTime: at(start) })).outcome).toBe('lease_held');
  expect([state.outcomes, state.drained, isIdle(gate(), start + 1)]).toEqual([['lease_held'], 0, false]);
});

test('given work that throws, the run is recorded as failed and the next tick is the retry', async () => {
  const { state, tick, gate } = house({ gate: { seq: 1 } });
  const result = await tick({ scheduledTime: at(start) }, async () => Promise.reject(new Error('secret details')));
  expect([result.outcome, state.ends, state.outcomes, isIdle(gate(), start + 1)]).toEqual(['failed', ['failed'], ['failed'], false]);
});

test('given a lease that was lost meanwhile, the drain is not believed', async () => {
  const { state, tick } = house({ keepsLease: false });
  expect((await tick({ scheduledTime: at(start) })).outcome).toBe('lease_lost');
  expect(state.drained).toBe(0);
});

test('each loop has one function, and folded loops share the schedule of the first', () => {
  expect(scheduledLoops.map((each) => each.name)).toEqual([
    'jobProcessor',
    'jobTimeout',
    'renewalCheck',
    'shortLivedExpiryCheck',
    'agentHealthCheck',
    'notificationProcess',
    'crlGeneration',
    'acmeGC',
    'auditChainVerify',
    'monitor',
  ]);
  expect(loops.map((each) => hostOf(each.name).function)).toEqual(loops.map((each) => each.function));
});
