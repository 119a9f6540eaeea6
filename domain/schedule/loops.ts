/** How the reference system behaves when several copies of a loop run, as its own documents class it. */
export type ReferenceClass = 'HA-safe' | 'HA-safe-ish' | 'idempotent' | 'side-effect-duplicating' | 'not in the reference';

/** One background loop: what starts it, what it does, and why two copies of it do no harm. */
export interface Loop {
  readonly name: string;
  /** The deployed function that does its work; loops that share one are folded, and the first of them has the schedule. */
  readonly function: string;
  readonly everyMinutes: number;
  readonly timeoutSeconds: number;
  readonly memoryMb: number;
  readonly referenceClass: ReferenceClass;
  /** What a tick does. */
  readonly work: string;
  /** What holds with any number of copies, and the mechanism. */
  readonly guarantee: string;
}

/**
 * Every loop that works. The schedules and functions of the deployment, the local scheduler, the administration's routes, the monitor and the
 * operators' table come from these rows; a loop is added here or nowhere.
 */
export const loops = [
  {
    name: 'jobProcessor',
    function: 'loop-job-processor',
    everyMinutes: 1,
    timeoutSeconds: 50,
    memoryMb: 256,
    referenceClass: 'HA-safe',
    work: 'Sends hints again for jobs whose hint or worker was lost, gives orders whose request died to a job, and has targets without a host looked at',
    guarantee: 'Hints are only hints: a worker claims the row with FOR UPDATE SKIP LOCKED and a fencing token, so a job has one holder',
  },
  {
    name: 'jobRetry',
    function: 'loop-job-processor',
    everyMinutes: 1,
    timeoutSeconds: 50,
    memoryMb: 256,
    referenceClass: 'HA-safe',
    work: 'Makes failed jobs that have attempts left and whose time has come pending again',
    guarantee: 'One conditional update with its audit row in one commit; attempts are counted by the claim and bounded',
  },
  {
    name: 'jobTimeout',
    function: 'loop-job-timeout',
    everyMinutes: 5,
    timeoutSeconds: 60,
    memoryMb: 256,
    referenceClass: 'HA-safe-ish',
    work: 'Fails jobs that waited 24 hours for a CSR; returns jobs whose worker died, or ends them when no attempt is left; destroys sealed keys that no deployment will need',
    guarantee: 'Updates name the state and the lease that they end, and count from the entry into the state',
  },
  {
    name: 'renewalCheck',
    function: 'loop-renewal-check',
    everyMinutes: 1,
    timeoutSeconds: 50,
    memoryMb: 512,
    referenceClass: 'idempotent',
    work: 'Makes a renewal job for each certificate whose renewal time has come, pulls forward what is urgent, and makes expiry alerts for each threshold passed',
    guarantee:
      'A partial unique index allows one active job per certificate; an alert is one row per certificate, threshold, channel and notAfter',
  },
  {
    name: 'shortLivedExpiryCheck',
    function: 'loop-short-lived-expiry',
    everyMinutes: 1,
    timeoutSeconds: 50,
    memoryMb: 256,
    referenceClass: 'idempotent',
    work: 'Notes the end of certificates that lived less than an hour; readers compute it from notAfter and never wait for this',
    guarantee: 'A set-based update that returns its rows, with their audit rows in the same commit: one audit row per certificate',
  },
  {
    name: 'agentHealthCheck',
    function: 'loop-agent-health',
    everyMinutes: 2,
    timeoutSeconds: 60,
    memoryMb: 256,
    referenceClass: 'idempotent',
    work: 'Notes that agents have not been heard of for five minutes, and tells of it; heartbeats are read without PostgreSQL',
    guarantee:
      'A set-based update that names the state it ends, with its audit rows and notices in the same commit: one notice for each silence',
  },
  {
    name: 'notificationProcess',
    function: 'loop-outbox-dispatch',
    everyMinutes: 1,
    timeoutSeconds: 50,
    memoryMb: 256,
    referenceClass: 'side-effect-duplicating',
    work: 'Sends hints for notifications that are due, and repairs the mirrors whose write after a commit was lost',
    guarantee: 'A notification is sent by the one worker that claims its row; its dedupe key is unique',
  },
  {
    name: 'notificationRetry',
    function: 'loop-outbox-dispatch',
    everyMinutes: 1,
    timeoutSeconds: 50,
    memoryMb: 256,
    referenceClass: 'side-effect-duplicating',
    work: 'Brings failed notifications back after 1, 2, 4 and 8 minutes, and settles those whose sender died',
    guarantee: 'Five attempts, then dead; a send whose end is unknown is repeated under the same idempotency key, and counted',
  },
  {
    name: 'crlGeneration',
    function: 'loop-crl-generation',
    everyMinutes: 60,
    timeoutSeconds: 300,
    memoryMb: 512,
    referenceClass: 'side-effect-duplicating',
    work: 'Publishes the CRLs that lack a revocation or are past half of their life; takes revocations back into a database that was restored; removes OCSP responses that ended',
    guarantee: 'Numbers come from a counter in the database and are never used twice; an older CRL never replaces a newer one',
  },
  {
    name: 'acmeGC',
    function: 'loop-acme-gc',
    everyMinutes: 1,
    timeoutSeconds: 50,
    memoryMb: 256,
    referenceClass: 'idempotent',
    work: 'Ends expired orders and authorizations, and removes what nobody has needed for 90 days',
    guarantee: 'Chunked updates with SKIP LOCKED that name the state they end; readers judge expiry themselves',
  },
  {
    name: 'auditChainVerify',
    function: 'loop-audit-chain',
    everyMinutes: 1,
    timeoutSeconds: 50,
    memoryMb: 256,
    referenceClass: 'HA-safe',
    work: 'Seals new audit events into the hash chain, walks the chain once a day, and anchors its head outside of the database each hour',
    guarantee:
      'The head’s row lock: two sealers take turns, and an event has one place in the chain; an anchor is written once and never replaced',
  },
  {
    name: 'monitor',
    function: 'loop-monitor',
    everyMinutes: 5,
    timeoutSeconds: 30,
    memoryMb: 256,
    referenceClass: 'not in the reference',
    work: 'Measures how long each loop has not succeeded, without PostgreSQL; once a day calls the functions that would fall asleep',
    guarantee: 'Only reads; an alarm on its missing measurement watches it',
  },
] as const satisfies readonly Loop[];

export type LoopName = (typeof loops)[number]['name'];

/** Loops with a schedule of their own, in the order of the table: the first of each function. */
export const scheduledLoops: readonly (Loop & { readonly name: LoopName })[] = loops.filter(
  (loop, index) => loops.findIndex((other) => other.function === loop.function) === index,
);

/** The loop whose schedule, gate and lease a loop shares; itself unless it is folded. */
export function hostOf(name: LoopName): Loop & { readonly name: LoopName } {
  const host = scheduledLoops.find((scheduled) => scheduled.function === loops.find((loop) => loop.name === name)?.function);
  if (host === undefined) throw new Error(`no loop ${name}`);
  return host;
}
