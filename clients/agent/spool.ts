import { join } from 'node:path';
import { reportJob, type JobReport } from '#contract/agent-protocol.ts';
import { ApiProblem } from '../http/problem.ts';
import type { Log } from './log.ts';
import type { PlatformConnection } from './platform.ts';
import { jsonFiles, privateFolder, removeFile, writeDurably } from './state-file.ts';

/** Reports that are on the disk until the platform has taken them; in memory where the disk takes none, for that is what the platform must hear of. */
export interface Spool {
  put(jobId: string, report: JobReport): Promise<void>;
  /** Sends what is there, oldest first by name. @throws {ApiProblem} when the platform cannot be reached or is not well: what is left stays */
  flush(): Promise<void>;
}

// The platform has what it needs, or wants no word about this job any more.
const settled = new Set([400, 404, 409, 422]);

export function spool(stateDir: string, agentId: string, platform: PlatformConnection, log: Log): Spool {
  const folder = join(stateDir, 'spool');
  const fileOf = (jobId: string): string => join(folder, `${jobId}.json`);
  const unwritten = new Map<string, JobReport>();
  let flushing: Promise<void> | undefined;

  const flushAll = async (): Promise<void> => {
    for (const [jobId, content] of [...(await jsonFiles(folder)), ...unwritten]) {
      const report = reportJob.body.safeParse(content);
      if (report.success) {
        try {
          const { status } = await platform.call(reportJob, { params: { id: agentId, job_id: jobId }, body: report.data });
          log.info('reported', { job: jobId, ok: report.data.ok, status });
        } catch (error) {
          if (!(error instanceof ApiProblem) || !settled.has(error.status)) throw error;
          log.warn('a report was not wanted any more', { job: jobId, error });
        }
      }
      await removeFile(fileOf(jobId));
      unwritten.delete(jobId);
    }
  };
  return {
    async put(jobId, report) {
      try {
        await privateFolder(folder);
        await writeDurably(fileOf(jobId), JSON.stringify(report));
      } catch (error) {
        log.error('a report cannot be written down: it is lost if the agent ends before the platform has it', { job: jobId, error });
        unwritten.set(jobId, report);
      }
    },
    async flush() {
      // Who comes while somebody is at it waits, and then sees to what came meanwhile.
      while (flushing !== undefined) await flushing.catch(() => undefined);
      flushing = flushAll().finally(() => (flushing = undefined));
      await flushing;
    },
  };
}
