import * as z from 'zod';
import { auditTrail } from '#adapters/postgres/audit.ts';
import { chainReader } from '#adapters/postgres/audit-rows.ts';
import { anchorStore } from '#adapters/s3/anchors.ts';
import { artifacts } from '#adapters/s3/artifacts.ts';
import { genesis } from '#domain/audit/chain.ts';
import { walk } from '#domain/audit/walk.ts';
import { chance } from '../shared/chance.ts';
import { environment } from '../shared/environment.ts';
import { log } from '../shared/log.ts';
import { loopEnvironment, loopHandler } from '../shared/loop.ts';
import { count } from '../shared/metrics.ts';

const settings = z.object({ ...loopEnvironment, ...environment.artifacts }).parse(process.env);
const page = 2000;
const walkEveryMs = 86_400_000;
const anchorEveryMs = 3_600_000;

/** auditChainVerify: seals, walks, anchors. */
export const handler = loopHandler('auditChainVerify', settings, ({ database }) => {
  const trail = auditTrail(database);
  const reader = chainReader(database);
  const anchors = anchorStore(artifacts(settings.ARTIFACT_BUCKET));
  return async (run) => {
    const goOn = (): boolean => chance.now() < run.deadline;
    let processed = 0;
    let full = true;
    while (full && goOn()) {
      const sealed = await trail.seal(page);
      processed += sealed;
      full = sealed === page;
    }
    const now = chance.now();
    const before = await trail.head();
    const begins = before.walkBeganAt === undefined || now - before.walkBeganAt.getTime() >= walkEveryMs;
    const { to, broken, whole } = await walk(reader, anchors, begins ? { seq: 0, hash: genesis } : before.verified, goOn);
    await trail.noteVerified(to, broken, begins);
    if (broken !== undefined) {
      count('AuditBreak');
      log.error('the audit chain is broken: see docs/operator/audit.md', { ...broken });
    } else if (before.head.seq > before.anchoredSeq && now - (before.anchoredAt?.getTime() ?? 0) >= anchorEveryMs) {
      await anchors.write({ seq: before.head.seq, hash: Buffer.from(before.head.hash).toString('hex'), at: new Date(now).toISOString() });
      await trail.noteAnchored(before.head.seq);
    }
    const left = full || (!whole && broken === undefined);
    return { processed, failed: broken === undefined ? 0 : 1, nextDue: left ? new Date(chance.now()) : undefined };
  };
});
