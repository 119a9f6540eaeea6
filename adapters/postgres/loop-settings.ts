import type { LoopName } from '#domain/schedule/loops.ts';
import type { LoopSetting } from '#domain/schedule/setting.ts';
import type { Database } from './database.ts';

/** What the administration sees of a run. */
export interface LoopRun {
  readonly id: string;
  readonly loop: string;
  readonly tickKey: string;
  readonly outcome: string;
  readonly processed: number;
  readonly failed: number;
  readonly duplicates: number;
  readonly error: string | undefined;
  readonly startedAt: Date;
  readonly finishedAt: Date | undefined;
}

export interface NamedSetting extends LoopSetting {
  readonly loop: string;
  readonly reason: string;
  readonly updatedBy: string;
}

export interface LoopSettingsStore {
  setting(loop: LoopName): Promise<LoopSetting | undefined>;
  settings(): Promise<readonly NamedSetting[]>;
  /** Setting, audit row and outbox row in one commit. */
  change(
    loop: LoopName,
    change: { readonly enabled: boolean; readonly intervalOverride: number | undefined; readonly reason: string },
    actor: string,
  ): Promise<LoopSetting>;
  /** The mirror has this version. */
  mirrored(loop: LoopName): Promise<void>;
  /** The newest run of each loop. */
  lastRuns(): Promise<readonly LoopRun[]>;
  runs(loop: LoopName, limit: number): Promise<readonly LoopRun[]>;
  /** A run that was asked for by hand, with its audit row. `held`: somebody is at work; `disabled`: an operator said so. */
  request(loop: LoopName, runId: string, actor: string): Promise<'requested' | 'held' | 'disabled'>;
}

const one = { name: 'loop-setting', text: `SELECT enabled, interval_override_seconds, version FROM loop_settings WHERE loop = $1` };
const all = {
  name: 'loop-settings',
  text: `SELECT loop, enabled, interval_override_seconds, version, reason, updated_by FROM loop_settings`,
};
const change = {
  name: 'loop-setting-change',
  text: `WITH s AS (INSERT INTO loop_settings AS s (loop, enabled, interval_override_seconds, reason, updated_by) VALUES ($1, $2, $3, $4, $5)
          ON CONFLICT (loop) DO UPDATE SET enabled = excluded.enabled, interval_override_seconds = excluded.interval_override_seconds,
            reason = excluded.reason, updated_by = excluded.updated_by, updated_at = now(), version = s.version + 1
          RETURNING enabled, interval_override_seconds, version),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT 'loop', $1 FROM s),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $5, 'APIKey', 'updateLoop', 'loop', $1, jsonb_build_object('enabled', enabled, 'interval_seconds', interval_override_seconds, 'reason', $4::text),
                 'config' FROM s)
  SELECT * FROM s`,
};
const mirrored = { name: 'loop-mirrored', text: `DELETE FROM outbox WHERE topic = 'loop' AND subject_id = $1` };
const runColumns = 'id, loop, tick_key, outcome, items_processed, items_failed, duplicates, error, started_at, finished_at';
export const lastLoopRunList = {
  name: 'loop-last-runs',
  text: `SELECT r.* FROM (SELECT DISTINCT loop FROM loop_leases) l,
           LATERAL (SELECT ${runColumns} FROM loop_runs WHERE loop = l.loop ORDER BY started_at DESC LIMIT 1) r`,
};
export const loopRunList = {
  name: 'loop-runs',
  text: `SELECT ${runColumns} FROM loop_runs WHERE loop = $1 ORDER BY started_at DESC LIMIT $2`,
};
const request = {
  name: 'loop-request',
  text: `WITH w AS (SELECT EXISTS (SELECT FROM loop_leases WHERE loop = $1 AND expires_at > now()) AS held,
                         coalesce((SELECT NOT enabled FROM loop_settings WHERE loop = $1), false) AS disabled),
    r AS (INSERT INTO loop_runs (id, loop, tick_key, outcome, requested_by) SELECT $2, $1, 'manual:' || $2, 'requested', $3 FROM w WHERE NOT held AND NOT disabled
          RETURNING id),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $3, 'APIKey', 'runLoop', 'loop', $1, jsonb_build_object('run', id), 'config' FROM r)
  SELECT held, disabled, (SELECT count(*)::int FROM r) AS requested FROM w`,
};

interface SettingRow {
  loop: string;
  enabled: boolean;
  interval_override_seconds: number | null;
  version: number;
  reason: string;
  updated_by: string;
}
interface RunRow {
  id: string;
  loop: string;
  tick_key: string;
  outcome: string;
  items_processed: number;
  items_failed: number;
  duplicates: number;
  error: string | null;
  started_at: Date;
  finished_at: Date | null;
}

/** The loops as their operators see and change them. */
export function loopSettingsStore(database: Database): LoopSettingsStore {
  return {
    async setting(loop) {
      const [row] = await database.query<SettingRow>(one, [loop]);
      return row && settingOf(row);
    },
    async settings() {
      return (await database.query<SettingRow>(all, [])).map((row) => ({
        ...settingOf(row),
        loop: row.loop,
        reason: row.reason,
        updatedBy: row.updated_by,
      }));
    },
    async change(loop, { enabled, intervalOverride, reason }, actor) {
      const [row] = await database.query<SettingRow>(change, [loop, enabled, intervalOverride ?? null, reason, actor]);
      if (row === undefined) throw new Error('no row');
      return settingOf(row);
    },
    async mirrored(loop) {
      await database.query(mirrored, [loop]);
    },
    async lastRuns() {
      return (await database.query<RunRow>(lastLoopRunList, [])).map(runOf);
    },
    async runs(loop, limit) {
      return (await database.query<RunRow>(loopRunList, [loop, limit])).map(runOf);
    },
    async request(loop, runId, actor) {
      const [row] = await database.query<{ held: boolean; disabled: boolean; requested: number }>(request, [loop, runId, actor]);
      return row?.requested === 1 ? 'requested' : row?.disabled === true ? 'disabled' : 'held';
    },
  };
}

function settingOf(row: SettingRow): LoopSetting {
  return { enabled: row.enabled, intervalOverride: row.interval_override_seconds ?? undefined, version: row.version };
}

function runOf(row: RunRow): LoopRun {
  return {
    id: row.id,
    loop: row.loop,
    tickKey: row.tick_key,
    outcome: row.outcome,
    processed: row.items_processed,
    failed: row.items_failed,
    duplicates: row.duplicates,
    error: row.error ?? undefined,
    startedAt: row.started_at,
    finishedAt: row.finished_at ?? undefined,
  };
}
