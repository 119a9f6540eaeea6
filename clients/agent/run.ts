import { join } from 'node:path';
import { claimWork, heartbeat } from '#contract/agent-protocol.ts';
import { resumeInterrupted } from '#connectors/targets/resume.ts';
import type { HostRules } from '#connectors/targets/target.ts';
import { signatureWindowSeconds } from '#domain/agent/message-signature.ts';
import { ApiProblem } from '../http/problem.ts';
import { discover } from './discover.ts';
import { hostFacts } from './host-facts.ts';
import type { Identity } from './identity.ts';
import { keyStore } from './key-store.ts';
import type { Log } from './log.ts';
import { backoffMs, pause, spread } from './pause.ts';
import { connectPlatform } from './platform.ts';
import { hostSecret, type AgentSettings } from './settings.ts';
import { spool } from './spool.ts';
import { privateFolder, removeLeftovers } from './state-file.ts';
import { work } from './work.ts';

/** The platform said that it wants nothing of this agent any more. */
export type End = 'stopped' | 'retired';

/**
 * The life of an agent: what a crash interrupted is concluded, then it says that it is there and asks for work, each in a rhythm of its own that the
 * platform sets, until it is told to stop. Running jobs end before it does.
 */
export async function run(settings: AgentSettings, identity: Identity, log: Log, stop: AbortSignal): Promise<End> {
  const platform = connectPlatform({ server: identity.server, ca: identity.ca, keyId: identity.agent_id, key: identity.key });
  const retired = new AbortController();
  const signal = AbortSignal.any([stop, retired.signal]);
  await privateFolder(settings.state_dir);
  for (const below of ['', 'jobs', 'spool']) await removeLeftovers(join(settings.state_dir, below));
  const keys = keyStore(settings.state_dir);
  const secret = (name: string): Promise<string | undefined> => hostSecret(settings, name);
  const rules: HostRules = {
    allowedPaths: settings.allowed_paths,
    allowedCommands: settings.allowed_commands,
    stateDir: settings.state_dir,
    backupRetention: settings.backup_retention,
    secret,
    keyOf: (certificateId, leafPem) => keys.keyOf(certificateId, leafPem),
    // A clock that is known to be wrong judges no expiry.
    now: () => (Math.abs(platform.clockOffset()) > signatureWindowSeconds * 1000 ? undefined : new Date()),
    onStep: (step, index) => log.debug('step', { step, ...(index !== undefined && { index }) }),
  };
  for (const outcome of await resumeInterrupted(rules))
    log.warn('a deployment that was interrupted is concluded', { target: outcome.targetId, ok: outcome.ok, detail: outcome.detail });

  const reports = spool(settings.state_dir, identity.agent_id, platform, log);
  let wakePoll = (): void => undefined;
  const jobs = work({
    agentId: identity.agent_id,
    platform,
    keys,
    rules,
    stateDir: settings.state_dir,
    spool: reports,
    log,
    atOnce: settings.max_concurrent_deploys,
    signal,
    ended: () => wakePoll(),
  });
  for (const item of await jobs.unfinished()) await jobs.begin(item);

  const params = { id: identity.agent_id };
  const beat = async (): Promise<number> => {
    const pace = await platform.call(heartbeat, { params, body: hostFacts(platform.localAddress()) });
    return pace.next_heartbeat_seconds;
  };
  // Whether jobs may have been given to this agent that it never heard of: one before it, or an answer that was lost.
  let unsure = true;
  const poll = async (): Promise<number> => {
    await reports.flush();
    const limit = jobs.free();
    if (limit === 0) return settings.max_concurrent_deploys;
    const body = { limit, ...(unsure && { holding: jobs.running() }) };
    unsure = true;
    // The first may be taken after the second: then the next poll asks for what it was given.
    let sentTwice = false;
    const answer = await platform.call(claimWork, { params, body }, () => {
      sentTwice = true;
      return { params, body: { limit, holding: jobs.running() } };
    });
    for (const item of answer.jobs) await jobs.begin(item);
    unsure = sentTwice;
    return answer.next_poll_seconds;
  };
  const rhythm = async (what: string, act: () => Promise<number>, interrupt?: (wake: () => void) => void): Promise<void> => {
    let failures = 0;
    let refusal = '';
    while (!signal.aborted) {
      let waitMs: number;
      try {
        waitMs = spread(await act(), Math.random());
        if (failures > 0) log.info(`${what}: the platform is there again`);
        [failures, refusal] = [0, ''];
      } catch (error) {
        if (error instanceof ApiProblem && error.status === 410) {
          log.info('retired: this agent ends, its keys stay');
          retired.abort();
          return;
        }
        failures += 1;
        const { code, status, retryAfter } = error instanceof ApiProblem ? error : { code: 'internal', status: 0, retryAfter: Number.NaN };
        // Said once, and again when it changes.
        if (code !== refusal) log.error(`${what} failed`, { error });
        refusal = code;
        const denied = status === 401 || status === 403;
        waitMs = backoffMs(denied ? 20 : failures, retryAfter, denied ? 1 : Math.random());
      }
      const early = new AbortController();
      interrupt?.(() => early.abort());
      await pause(waitMs, AbortSignal.any([signal, early.signal]));
    }
  };
  const { discovery_dirs: folders, discovery_exclude: leftOut, discovery_passwords: passwords, state_dir: stateDir } = settings;
  const search = (): Promise<number> =>
    discover({ agentId: identity.agent_id, platform, stateDir, folders, leftOut, passwords, secret, log, signal });
  await Promise.all([
    rhythm('heartbeat', beat),
    rhythm('poll', poll, (wake) => (wakePoll = wake)),
    ...(folders.length > 0 ? [rhythm('discovery', search)] : []),
  ]);
  await jobs.idle();
  await reports.flush().catch(() => undefined);
  platform.close();
  return retired.signal.aborted ? 'retired' : 'stopped';
}
