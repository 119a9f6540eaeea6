import { createHash } from 'node:crypto';
import type * as z from 'zod';
import {
  claimWork,
  enrolAgent,
  heartbeat,
  pickUpCertificate,
  renewLease,
  reportJob,
  submitAgentCsr,
  type WorkItemBody,
} from '#contract/agent-protocol.ts';
import type { AgentStates } from '#adapters/dynamodb/agent-states.ts';
import type { AgentStore, JudgedFacts } from '#adapters/postgres/agents.ts';
import { assertCsrIsOrdered } from '#domain/agent/csr-order.ts';
import type { Observation } from '#domain/agent/inspection.ts';
import { verifyRequest } from '#domain/agent/message-signature.ts';
import { isTooOld } from '#domain/agent/version.ts';
import type { AgentWork, Reported, WorkItem } from '#domain/agent/work.ts';
import type { Chance } from '#domain/clock.ts';
import { CaError } from '#domain/error.ts';
import { countingFailures, type Limiter } from '#domain/limit/limiter.ts';
import { nextDailyWindow } from '#domain/schedule/daily-window.ts';
import { parseCsr } from '#domain/x509/csr.ts';
import { fromPem, pemChain, toPem } from '#domain/x509/pem.ts';
import { parsePublicKey } from '#domain/x509/public-key.ts';
import { addressOf } from '../shared/address-of.ts';
import { log } from '../shared/log.ts';
import type { Wake } from '../shared/wake.ts';
import type { ProvenAgent } from './agent-authentication.ts';
import { serve, type Served } from './router.ts';

export interface AgentProtocolPorts {
  readonly agents: AgentStore;
  readonly states: AgentStates;
  readonly work: AgentWork;
  readonly limiter: Pick<Limiter, 'lease'>;
  readonly tell: (agentIds: readonly string[]) => Promise<void>;
  readonly wake: Wake;
  readonly hint: (jobId: string) => Promise<void>;
  readonly newId: (prefix: string) => string;
  readonly chance: Chance;
  /** Of agents; empty: any. */
  readonly minimumVersion: string;
  /** Seconds. */
  readonly pace: { readonly poll: number; readonly heartbeat: number };
}

const leaseSeconds = 600;
// While its certificates are being signed an agent need not wait a whole interval.
const expectingSeconds = 2;

/** The operations of `contract/agent-protocol.ts`. */
export function agentProtocolOperations(ports: AgentProtocolPorts): readonly Served[] {
  const now = (): number => ports.chance.now();
  const pace = (poll = ports.pace.poll) => ({
    next_poll_seconds: Math.min(poll, ports.pace.poll),
    next_heartbeat_seconds: ports.pace.heartbeat,
    server_time: new Date(now()).toISOString(),
  });
  const secondsTo = (due: number): number => Math.max(1, Math.ceil((due - now()) / 1000));
  const factsOf = (body: z.output<typeof heartbeat.body>): JudgedFacts => ({
    hostname: body.hostname,
    os: body.os,
    architecture: body.architecture,
    version: body.version,
    ipAddress: body.ip_address ?? undefined,
    capabilities: body.capabilities,
    // To the half minute: what the network takes is no skew.
    clockSkew: Math.round((Date.parse(body.clock) - now()) / 30_000) * 30,
    tooOld: isTooOld(body.version, ports.minimumVersion),
  });
  const fraction = (): number => Buffer.from(ports.chance.random(4)).readUInt32BE() / 2 ** 32;
  const ended = async (id: string, reported: Reported) => {
    if (reported.kind === 'unknown') throw noJob();
    if (reported.kind === 'stale') throw new CaError('conflict', 'the lease of the job is another’s by now, or the job has ended');
    const { status, nextDue } = reported;
    // Each agent looks once a day whatever it was told.
    if (status !== 'completed' || (nextDue !== undefined && nextDue.getTime() < nextDailyWindow(now()))) await ports.tell([id]);
    return { status, ...pace(nextDue !== undefined && nextDue.getTime() <= now() ? expectingSeconds : undefined) };
  };
  return [
    serve(enrolAgent, async ({ body, request }) => {
      const key = Buffer.from(body.public_key, 'base64');
      const info = parsePublicKey(key);
      if (info.kind !== 'ECDSA' || info.curve !== 'P-256') throw new CaError('badPublicKey', 'an agent’s key is on P-256');
      // Whoever enrols a key has it.
      verifyRequest(request, request.headers, key, Math.floor(now() / 1000));
      const digest = createHash('sha256')
        .update(request.headers['x-enrolment-token'] ?? '')
        .digest();
      await ports.wake('notificationProcess', 'agentHealthCheck');
      const isGuess = (error: unknown): boolean => error instanceof CaError && error.code === 'unauthenticated';
      const agent = await countingFailures(ports.limiter, 'api-failed-authentication', addressOf(request.sourceIp), isGuess, () =>
        ports.agents.enrol(digest, { id: ports.newId('agent'), name: body.name, publicKey: key, ...factsOf(body) }),
      );
      await ports.states.tell({ id: agent.id, name: agent.name, publicKey: agent.publicKey, retired: false });
      await ports.states.beat(agent.id, agent.publicKey, now());
      // One that comes back under a new key is looked at anew with its next heartbeat.
      await ports.states.said(agent.id, '');
      return { agent_id: agent.id, name: agent.name, ...pace() };
    }),
    serve(heartbeat, async ({ body, agent }) => {
      const { id, publicKey } = proven(agent);
      const said = factsOf(body);
      const digest = createHash('sha256')
        .update(JSON.stringify({ ...said, tooOld: said.tooOld || undefined }))
        .digest('base64');
      const noted = await ports.states.beat(id, publicKey, now());
      if (noted === undefined) {
        if ((await ports.states.read(id))?.retired === true) throw new CaError('gone', 'the agent is retired');
        throw new CaError('unauthenticated', 'the agent has another key by now');
      }
      if (noted.wasAway || noted.facts !== digest) {
        if (!(await ports.agents.note(id, said))) throw new CaError('gone', 'the agent is retired');
        await ports.states.said(id, digest);
      }
      return pace();
    }),
    serve(claimWork, async ({ body, agent }) => {
      const { id, seq, drainedSeq, nextDue } = proven(agent);
      // A lease that has not ended is the next thing that becomes due: without one there is nothing to let go of.
      const mayHaveLost = body.holding !== undefined && nextDue <= now() + leaseSeconds * 1000;
      const lost = mayHaveLost ? await ports.work.letGo(id, body.holding ?? []) : 0;
      if (lost === 0 && seq === drainedSeq && nextDue > now()) return { jobs: [], ...pace(secondsTo(nextDue)) };
      const claimed = await ports.work.claim(id, { token: ports.newId('lease'), seconds: leaseSeconds }, body.limit);
      if (claimed.items.length > 0) await ports.wake('jobTimeout');
      const due = claimed.expecting ? now() : Math.min(claimed.nextDue?.getTime() ?? Infinity, nextDailyWindow(now()));
      const hasAll = claimed.items.length < body.limit;
      if (hasAll) await ports.states.drained(id, seq, due);
      // Whose turn comes later comes then, not an interval after this look. What is due and was not to be had may stay so.
      const later = hasAll && due > now() ? secondsTo(due) : undefined;
      return { jobs: claimed.items.map(show), ...pace(claimed.expecting ? expectingSeconds : later) };
    }),
    serve(renewLease, async ({ params, body, agent }) => {
      const until = await ports.work.renewLease(proven(agent).id, params.job_id, body.lease_token, leaseSeconds);
      if (until === undefined) throw new CaError('conflict', 'the lease of the job is another’s by now, or the job has ended');
      return { lease_expires_at: until.toISOString() };
    }),
    serve(submitAgentCsr, async ({ params, body, agent }) => {
      const { id } = proven(agent);
      const csr = parseCsr(fromPem('CERTIFICATE REQUEST', body.csr));
      const job = await ports.work.csrJob(id, params.job_id, createHash('sha256').update(csr.publicKey.spki).digest());
      if (job === undefined) throw noJob();
      const answer = { status: 'issuing' as const, ...pace(expectingSeconds) };
      // Its answer was lost, and it comes again.
      if (job.csr !== undefined && Buffer.compare(job.csr, csr.der) === 0) return answer;
      if (job.leaseToken !== body.lease_token || job.status !== 'awaiting_csr')
        throw new CaError('conflict', 'the lease of the job is another’s by now, or the job has ended');
      assertCsrIsOrdered(csr, job);
      if (job.keyIsUsed) throw new CaError('badCsr', 'the key was certified before, or is blocked: each version has a key of its own');
      await ports.wake('jobProcessor', 'jobTimeout');
      if (!(await ports.work.submitCsr(id, params.job_id, body.lease_token, csr.der)))
        throw new CaError('conflict', 'the lease of the job is another’s by now, or the job has ended');
      await ports.hint(params.job_id);
      // Work is expected: the next polls shall look. Best effort, as the worker tells when the certificate is there.
      await ports.states
        .expect(id)
        .catch((error: unknown) => log.warn('an agent’s next poll may not look', { agentId: id, error: error as Error }));
      return answer;
    }),
    serve(pickUpCertificate, async ({ params, agent }) => {
      const found = await ports.work.certificate(proven(agent).id, params.version_id);
      const [leaf, ...issuers] = found?.chain ?? [];
      if (found === undefined || leaf === undefined) throw new CaError('notFound', 'no such certificate');
      return {
        fingerprint: found.fingerprint,
        leaf_pem: toPem('CERTIFICATE', leaf),
        chain_pem: pemChain(issuers) + (found.foreignChain ?? ''),
      };
    }),
    serve(reportJob, async ({ params, body, agent }) => {
      const { id } = proven(agent);
      await ports.wake('renewalCheck', 'notificationProcess');
      const of = [id, params.job_id, body.lease_token] as const;
      if (body.observation !== undefined) {
        const { ok, failure_class, detail, observation } = body;
        const said = { ready: ok, failureClass: failure_class ?? undefined, detail: detail ?? undefined, observation: seenOf(observation) };
        return ended(id, await ports.work.reportInspection(...of, said));
      }
      let reported = await ports.work.reportDeployment(
        ...of,
        {
          ok: body.ok,
          idempotent: body.idempotent,
          rolledBack: body.rolled_back,
          failureClass: body.failure_class ?? undefined,
          detail: body.detail ?? undefined,
          backupPaths: body.backup_paths,
          durationMs: body.duration_ms,
          observed: body.observed_fingerprint ?? undefined,
          reference: body.reference,
        },
        fraction(),
      );
      if (reported.kind === 'unknown' && !body.ok)
        reported = await ports.work.reportCsrFailure(...of, (body.detail ?? 'no key or CSR could be made').slice(0, 500), fraction());
      return ended(id, reported);
    }),
  ];
}

function proven(agent: ProvenAgent | undefined): ProvenAgent {
  if (agent === undefined) throw new CaError('unauthenticated', 'nobody asks');
  return agent;
}

function noJob(): CaError {
  return new CaError('notFound', 'no such job');
}

function show(item: WorkItem): WorkItemBody {
  const common = {
    job_id: item.jobId,
    lease_token: item.leaseToken,
    lease_expires_at: item.leaseExpiresAt.toISOString(),
    attempt: item.attempt,
  };
  if (item.type === 'csr') {
    return {
      ...common,
      type: 'csr',
      certificate_id: item.certificateId,
      common_name: item.commonName ?? null,
      sans: item.sans.map(({ type, value }) => ({ type: type as 'dns', value })),
      key_algorithm: item.keyAlgorithm,
      must_staple: item.mustStaple,
    };
  }
  const target = {
    target_id: item.targetId,
    target_type: item.targetType,
    config: { ...item.config },
    // An agent that knows no references reads no answer that has one.
    ...(item.reference !== undefined && { reference: item.reference }),
  };
  if (item.type === 'inspection') {
    const expected = item.expected === undefined ? {} : { expected: [...item.expected] };
    return { ...common, ...target, ...expected, type: 'inspection', key_type: item.keyType ?? null };
  }
  return {
    ...common,
    ...target,
    type: 'deployment',
    certificate_id: item.certificateId,
    deployment_id: item.deploymentId,
    version_id: item.versionId,
  };
}

function seenOf(said: NonNullable<z.output<typeof reportJob.body>['observation']>): Observation {
  if (!('fingerprint' in said)) return { source: said.source };
  const { source, fingerprint, serial, not_after } = said;
  return { source, fingerprint, serial: serial ?? undefined, notAfter: not_after === null ? undefined : new Date(not_after) };
}
