import type * as z from 'zod';
import { listLoopRuns, listLoops, runLoop, updateLoop, type loopRun, type LoopBody } from '#contract/loops.ts';
import type { Gates } from '#adapters/dynamodb/gates.ts';
import type { LoopRun, LoopSettingsStore } from '#adapters/postgres/loop-settings.ts';
import { CaError } from '#domain/error.ts';
import { isIdle, lastSuccessOf } from '#domain/schedule/gate.ts';
import { hostOf, loops } from '#domain/schedule/loops.ts';
import { serve, type Served } from './router.ts';

export interface LoopPorts {
  readonly store: LoopSettingsStore;
  readonly gates: Gates;
  /** Starts the loop's function; it answers before that has ended. */
  readonly start: (functionName: string, event: { readonly loop: string; readonly run: string }) => Promise<void>;
  readonly newId: (prefix: string) => string;
  readonly now: () => number;
}

/** The operations of `contract/loops.ts`. */
export function loopOperations(ports: LoopPorts): readonly Served[] {
  return [
    serve(listLoops, async () => {
      const [settings, runs] = await Promise.all([ports.store.settings(), ports.store.lastRuns()]);
      const items = await Promise.all(
        loops.map(async (loop): Promise<LoopBody> => {
          const host = hostOf(loop.name);
          const gate = await ports.gates.read(host.name);
          const setting = settings.find((candidate) => candidate.loop === host.name);
          const run = runs.find((candidate) => candidate.loop === host.name);
          return {
            name: loop.name,
            work: loop.work,
            guarantee: loop.guarantee,
            interval_seconds: gate.intervalOverride ?? loop.everyMinutes * 60,
            runs_with: host.name,
            enabled: gate.enabled,
            reason: setting?.reason ?? null,
            heartbeat: time(gate.heartbeat),
            last_success: time(lastSuccessOf(gate)),
            last_outcome: gate.lastOutcome,
            next_due: isIdle(gate, ports.now()) ? time(gate.nextDue) : null,
            last_run: run === undefined ? null : show(run),
          };
        }),
      );
      return { items };
    }),
    serve(listLoopRuns, async ({ params, query }) => ({
      items: (await ports.store.runs(hostOf(params.name).name, query.limit)).map(show),
    })),
    serve(runLoop, async ({ params, caller }) => {
      const loop = hostOf(params.name);
      const run = ports.newId('run');
      const asked = await ports.store.request(loop.name, run, caller?.id ?? '');
      if (asked === 'held') throw new CaError('conflict', `${loop.name} is running; try again when it has ended`);
      if (asked === 'disabled') throw new CaError('conflict', `${loop.name} is disabled; enable it first`);
      await ports.start(loop.function, { loop: loop.name, run });
      return { run };
    }),
    serve(updateLoop, async ({ params, body, caller }) => {
      const loop = hostOf(params.name);
      const intervalOverride = body.interval_seconds ?? undefined;
      if (intervalOverride !== undefined && intervalOverride < loop.everyMinutes * 60)
        throw new CaError(
          'policyViolation',
          `interval_seconds can slow ${loop.name} down only: its schedule is every ${loop.everyMinutes * 60} s`,
        );
      const changed = await ports.store.change(
        loop.name,
        { enabled: body.enabled, intervalOverride, reason: body.reason },
        caller?.id ?? '',
      );
      // The outbox row that committed with the change repairs a mirror that misses this.
      await ports.gates.settings(loop.name, changed).then(
        () => ports.store.mirrored(loop.name),
        () => undefined,
      );
      return { name: params.name, enabled: changed.enabled, interval_seconds: changed.intervalOverride ?? null };
    }),
  ];
}

function show(run: LoopRun): z.input<typeof loopRun> {
  return {
    id: run.id,
    loop: run.loop,
    tick_key: run.tickKey,
    outcome: run.outcome,
    items_processed: run.processed,
    items_failed: run.failed,
    duplicates: run.duplicates,
    error: run.error ?? null,
    started_at: run.startedAt.toISOString(),
    finished_at: run.finishedAt?.toISOString() ?? null,
  };
}

function time(milliseconds: number): string | null {
  return milliseconds === 0 ? null : new Date(milliseconds).toISOString();
}
