import * as z from 'zod';
import { dynamodbClient } from '#adapters/dynamodb/client.ts';
import { agentStates } from '#adapters/dynamodb/agent-states.ts';
import { gates } from '#adapters/dynamodb/gates.ts';
import { profileMirror } from '#adapters/dynamodb/profile-mirror.ts';
import { agentStore } from '#adapters/postgres/agents.ts';
import { loopSettingsStore } from '#adapters/postgres/loop-settings.ts';
import { outboxStore, type MirrorTopic } from '#adapters/postgres/outbox.ts';
import { profileStore } from '#adapters/postgres/profiles.ts';
import { jobQueue } from '#adapters/sqs/job-queue.ts';
import { loops } from '#domain/schedule/loops.ts';
import { environment } from '../shared/environment.ts';
import { log } from '../shared/log.ts';
import { loopEnvironment, loopHandler } from '../shared/loop.ts';
import { measure } from '../shared/metrics.ts';
import { tellAgent } from '../shared/tell-agents.ts';

const settings = z.object({ ...loopEnvironment, ...environment.queue }).parse(process.env);
const page = 500;
const hintSeconds = 50;

/** notificationProcess and notificationRetry: hints for what is due, and mirrors whose write after a commit was lost. */
export const handler = loopHandler('notificationProcess', settings, ({ database }) => {
  const store = outboxStore(database);
  const queue = jobQueue(settings.JOB_QUEUE_URL);
  const dynamodb = dynamodbClient(3000);
  const mirrors = {
    profile: async (id: string) => {
      const profile = await profileStore(database).profile(id);
      if (profile !== undefined) await profileMirror(dynamodb, settings.STATE_TABLE).write(profile);
    },
    agent: (id: string) => tellAgent({ agents: agentStore(database), states: agentStates(dynamodb, settings.STATE_TABLE) }, id),
    loop: async (name: string) => {
      const loop = loops.find((candidate) => candidate.name === name);
      const setting = loop && (await loopSettingsStore(database).setting(loop.name));
      if (loop && setting) await gates(dynamodb, settings.STATE_TABLE).settings(loop.name, setting);
    },
  };
  const repair = async (topic: MirrorTopic): Promise<{ processed: number; failed: number }> => {
    let processed = 0;
    let failed = 0;
    for (const { subjectId, upTo } of await store.unmirrored(topic, page)) {
      try {
        await mirrors[topic](subjectId);
        await store.mirrored(topic, subjectId, upTo);
        processed += 1;
      } catch (error) {
        failed += 1;
        log.error('a mirror was not repaired', { topic, subjectId, error: error as Error });
      }
    }
    return { processed, failed };
  };
  return async (run) => {
    const due = await store.dueNotifications(page, run.forced ? 0 : hintSeconds);
    const lost = await queue.sendAll(due.map((notificationId) => ({ notificationId })));
    const repaired = [await repair('profile'), await repair('loop'), await repair('agent')];
    const { nextDue, oldestSeconds } = await store.outlook();
    measure('OutboxAgeSeconds', oldestSeconds);
    const sum = (of: 'processed' | 'failed'): number => repaired.reduce((total, one) => total + one[of], 0);
    return { processed: due.length - lost + sum('processed'), failed: lost + sum('failed'), nextDue };
  };
});
