import type { InspectedKeyType, InspectionReport } from '../agent/inspection.ts';
import type { DeploymentReport, Reported } from '../agent/work.ts';
import type { ConnectorAnswer, ConnectorCall } from '../connector/call.ts';
import { CaError } from '../error.ts';
import { toPem } from '../x509/pem.ts';
import type { ClaimedJob } from './job.ts';
import type { Outcome, Runner } from './outcome.ts';

/** A target without a host, as the connector needs to know it. */
export interface CloudTarget {
  readonly id: string;
  readonly type: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly reference: string | undefined;
}

interface SealedKey {
  readonly id: string;
  readonly sealed: Uint8Array;
}

/** One version on its way to one target without a host. */
export interface CloudDeployment {
  readonly target: CloudTarget;
  readonly certificateId: string;
  /** DER. */
  readonly certificate: Uint8Array;
  /** DER, without the root. */
  readonly issuers: readonly Uint8Array[];
  /** PEM of issuers that are not ours. */
  readonly foreignChain: string | undefined;
  /** Undefined: destroyed. */
  readonly key: SealedKey | undefined;
  readonly earlierKeys: readonly (SealedKey & { readonly spkiSha256: string })[];
}

/** What is told of jobs that agents do elsewhere, the worker reports of these. */
export interface ConnectorWork {
  /** Undefined: the lease is lost. */
  deployment(job: ClaimedJob): Promise<CloudDeployment | undefined>;
  inspection(job: ClaimedJob): Promise<{ readonly target: CloudTarget; readonly keyType: InspectedKeyType | undefined } | undefined>;
  reportDeployment(job: ClaimedJob, report: DeploymentReport): Promise<Reported>;
  reportInspection(job: ClaimedJob, report: InspectionReport): Promise<Reported>;
}

interface Ports {
  readonly work: ConnectorWork;
  readonly ask: (call: ConnectorCall) => Promise<ConnectorAnswer>;
}

const nothing = { idempotent: false, rolledBack: false, backupPaths: [], durationMs: 0, observed: undefined, reference: undefined };

/** Deploys to a target that has no host. How it ended is told in the words in which agents tell it. */
export function connectorDeployment({ work, ask }: Ports): Runner {
  return {
    async run(job) {
      const found = await work.deployment(job);
      if (found === undefined) return { kind: 'lost' };
      const answer = await ask({
        kind: 'deploy',
        target: spoken(found.target),
        certificateId: found.certificateId,
        leaf: toPem('CERTIFICATE', found.certificate),
        chain: found.issuers.map((issuer) => toPem('CERTIFICATE', issuer)).join('') + (found.foreignChain ?? ''),
        key: found.key === undefined ? null : sealedOf(found.key),
        earlierKeys: found.earlierKeys.map((key) => ({ ...sealedOf(key), spkiSha256: key.spkiSha256 })),
        last: job.attempts >= job.maxAttempts,
      });
      if (!('deployed' in answer)) throw new CaError('unavailable', 'the connector answered something else');
      const { ok, idempotent, rolledBack, failureClass, detail, observed, reference, durationMs } = answer.deployed;
      return ended(
        await work.reportDeployment(job, {
          ok,
          idempotent,
          rolledBack,
          failureClass: failureClass ?? undefined,
          detail: detail?.slice(0, 1000),
          backupPaths: [],
          durationMs,
          observed: observed ?? undefined,
          reference: reference ?? undefined,
        }),
      );
    },
    async conclude(job, detail) {
      return ended(await work.reportDeployment(job, { ...nothing, ok: false, failureClass: 'connector', detail }));
    },
  };
}

/** Looks at a target that has no host. */
export function connectorInspection({ work, ask }: Ports): Runner {
  return {
    async run(job) {
      const found = await work.inspection(job);
      if (found === undefined) return { kind: 'lost' };
      const answer = await ask({ kind: 'inspect', target: spoken(found.target), keyType: found.keyType ?? null });
      if (!('inspected' in answer)) throw new CaError('unavailable', 'the connector answered something else');
      const { ready, failureClass, detail, observation } = answer.inspected;
      return ended(
        await work.reportInspection(job, {
          ready,
          failureClass: failureClass ?? undefined,
          detail: detail?.slice(0, 1000),
          observation:
            'fingerprint' in observation
              ? {
                  source: observation.source,
                  fingerprint: observation.fingerprint,
                  serial: observation.serial ?? undefined,
                  notAfter: observation.notAfter === null ? undefined : new Date(observation.notAfter),
                }
              : { source: observation.source },
        }),
      );
    },
    async conclude(job, detail) {
      return ended(await work.reportInspection(job, { ready: false, failureClass: 'connector', detail, observation: { source: 'none' } }));
    },
  };
}

function ended(reported: Reported): Outcome {
  if (reported.kind !== 'taken') return { kind: 'lost' };
  if (reported.status === 'completed') return { kind: 'done' };
  return { kind: reported.status === 'pending' ? 'waiting' : 'failed' };
}

function spoken({ id, type, config, reference }: CloudTarget): Extract<ConnectorCall, { kind: 'deploy' }>['target'] {
  return { id, type, config: { ...config }, reference: reference ?? null };
}

function sealedOf({ id, sealed }: SealedKey): { id: string; sealed: string } {
  return { id, sealed: Buffer.from(sealed).toString('base64') };
}
