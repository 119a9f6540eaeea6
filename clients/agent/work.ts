import { join } from 'node:path';
import { renewLease, workItem, type JobReport, type WorkItemBody } from '#contract/agent-protocol.ts';
import { ApiProblem } from '../http/problem.ts';
import type { Log } from './log.ts';
import { backoffMs, pause } from './pause.ts';
import { perform, type PerformPorts } from './perform.ts';
import type { Spool } from './spool.ts';
import { jsonFiles, privateFolder, removeFile, writeDurably } from './state-file.ts';

/** The jobs that the agent has claimed, some at a time; each is on the disk until its report is. */
export interface Work {
  /** Begins a job. */
  begin(item: WorkItemBody): Promise<void>;
  /** Jobs that an agent before this one had begun. */
  unfinished(): Promise<readonly WorkItemBody[]>;
  free(): number;
  /** Ids of the jobs that run. */
  running(): string[];
  /** Ends when every job that runs has ended. */
  idle(): Promise<void>;
}

export interface WorkPorts extends PerformPorts {
  readonly stateDir: string;
  readonly spool: Spool;
  readonly log: Log;
  readonly atOnce: number;
  /** No new step is begun after it. */
  readonly signal: AbortSignal;
  /** A job has ended, and another may be claimed. */
  readonly ended: () => void;
}

const leaseEveryMs = 180_000;

export function work(ports: WorkPorts): Work {
  const { agentId, log, platform, signal } = ports;
  const folder = join(ports.stateDir, 'jobs');
  const running = new Map<string, Promise<void>>();

  /** Until it is done, refused, or the host stops: a platform that is away is waited for. */
  const report = async (item: WorkItemBody): Promise<JobReport | undefined> => {
    for (let failures = 1; ; failures++) {
      try {
        return await perform(ports, item, signal);
      } catch (error) {
        if (!(error instanceof ApiProblem) || (error.status !== 0 && error.status !== 429 && error.status < 500)) throw error;
        log.warn('the platform was not there for a job', { job: item.job_id, failures, error });
        await pause(backoffMs(failures, error.retryAfter, Math.random()), signal);
        if (signal.aborted) throw error;
      }
    }
  };

  const run = async (item: WorkItemBody): Promise<void> => {
    const params = { id: agentId, job_id: item.job_id };
    const keep = setInterval(() => {
      platform
        .call(renewLease, { params, body: { lease_token: item.lease_token } })
        .catch((error: unknown) => log.warn('a lease was not renewed', { job: item.job_id, error }));
    }, leaseEveryMs);
    const file = join(folder, `${item.job_id}.json`);
    try {
      const outcome = await report(item);
      if (outcome !== undefined) await ports.spool.put(item.job_id, outcome);
      await removeFile(file);
      log.info('job', {
        job: item.job_id,
        type: item.type,
        ...(item.type === 'inspection' ? { target: item.target_id } : { certificate: item.certificate_id }),
        ok: outcome?.ok ?? true,
        detail: outcome?.detail,
      });
    } catch (error) {
      // Stopped in the middle: it is on the disk. Refused: its lease ends, and it comes again.
      if (!signal.aborted) await removeFile(file);
      log.error('a job was not done', { job: item.job_id, type: item.type, error });
    } finally {
      clearInterval(keep);
      running.delete(item.job_id);
    }
    await ports.spool.flush().catch((error: unknown) => log.warn('a report waits', { job: item.job_id, error }));
    ports.ended();
  };

  return {
    async begin(item) {
      if (running.has(item.job_id)) return;
      try {
        await privateFolder(folder);
        await writeDurably(join(folder, `${item.job_id}.json`), JSON.stringify(item));
      } catch (error) {
        // Who does not begin cannot say what is wrong; after a crash the platform gives it out again.
        log.error('a job cannot be written down', { job: item.job_id, error });
      }
      running.set(item.job_id, run(item));
    },
    async unfinished() {
      const items: WorkItemBody[] = [];
      for (const [jobId, content] of await jsonFiles(folder)) {
        const item = workItem.safeParse(content);
        if (item.success) items.push(item.data);
        else await removeFile(join(folder, `${jobId}.json`));
      }
      return items;
    },
    free: () => Math.max(0, ports.atOnce - running.size),
    running: () => [...running.keys()],
    async idle() {
      await Promise.all(running.values());
    },
  };
}
