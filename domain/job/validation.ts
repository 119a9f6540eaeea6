import * as z from 'zod';
import { errorUrn } from '../acme/problem-document.ts';
import { printable, probe, type Probe, type ProbeResult } from '../probe/probe.ts';
import { validationDelays, type ClaimedJob, type JobStore, type ValidationStore } from './job.ts';
import type { Outcome, Runner } from './outcome.ts';

// What the job's payload holds besides is for whoever writes the outcome.
const payload = z.object(probe.shape);

const statuses = { dns: 400, connection: 400, tls: 400, incorrectResponse: 403, caa: 403, malformed: 400, unauthorized: 403 } as const;

export interface ValidationPorts {
  readonly jobs: JobStore;
  readonly validations: ValidationStore;
  readonly probe: (probe: Probe) => Promise<ProbeResult>;
}

/** Validates a challenge (RFC 8555 §8.2): up to four tries over a minute, then the authorization and the order fail. */
export function validation(ports: ValidationPorts): Runner {
  return {
    run: (job) => runValidation(ports, job),
    async conclude(job, reason) {
      const error = { type: errorUrn('serverInternal'), detail: 'the challenge could not be tried; make a new order', status: 500 };
      return { kind: (await ports.validations.giveUp(job, error, reason)) ? 'failed' : 'lost' };
    },
  };
}

async function runValidation(ports: ValidationPorts, job: ClaimedJob): Promise<Outcome> {
  const asked = payload.parse(job.payload);
  const result = await ports.probe(asked);
  if (result.ok) return { kind: (await ports.validations.succeed(job, result.until)) ? 'done' : 'lost' };
  const delaySeconds = validationDelays[job.attempts - 1];
  if (!result.final && delaySeconds !== undefined && job.attempts < job.maxAttempts) {
    return (await ports.jobs.retry(job, delaySeconds, `${result.code}: ${result.detail}`))
      ? { kind: 'again', delaySeconds }
      : { kind: 'lost' };
  }
  const detail = `${asked.identifier.value}: ${printableDetail(result.detail)}`;
  const failed = await ports.validations.fail(job, { type: errorUrn(result.code), detail, status: statuses[result.code] });
  return { kind: failed ? 'failed' : 'lost' };
}

function printableDetail(detail: string): string {
  return detail.length > 100 ? detail.replace(/[^\x20-\x7e…]/g, '?') : printable(detail);
}
