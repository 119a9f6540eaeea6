import { scheduledLoops } from '#domain/schedule/loops.ts';

/** The deployed functions as data: what starts each, what it may touch. `infra/stacks/services.ts` turns it into resources. */
export interface FunctionSpec {
  readonly name: string;
  /** Route keys of the HTTP API. */
  readonly routes?: readonly string[];
  /** Route keys that the HTTP API's IAM authorizer stands before, where the configuration wants AWS identities to call. */
  readonly iamRoutes?: readonly string[];
  /** Its routes are reachable over plain http, too. */
  readonly plainHttp?: boolean;
  /** Rate of the schedule in minutes. */
  readonly everyMinutes?: number;
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  /** As which role it connects; undefined: no database, and no VPC. */
  readonly database?: 'runtime' | 'owner';
  readonly tables?: Readonly<Partial<Record<'state' | 'nonces' | 'rates', readonly string[]>>>;
  /** Key prefixes in the artifact bucket that it reads and writes. */
  readonly artifacts?: readonly string[];
  /** Seals and opens under the envelope key. */
  readonly envelope?: readonly ('encrypt' | 'decrypt')[];
  readonly sendsJobs?: boolean;
  readonly consumesJobs?: boolean;
  readonly invokesProber?: boolean;
  readonly invokesConnector?: boolean;
  /** Signs with the keys of CAs, also with those in KMS that the configuration names. */
  readonly signs?: boolean;
  /** Opens only what was sealed for it: contexts that begin so. */
  readonly envelopeContexts?: readonly string[];
  /** Starts loops by hand. */
  readonly startsLoops?: boolean;
  /** Calls, once a day, the functions in the network that nobody else calls. */
  readonly warms?: boolean;
  /** Gets the platform's URLs. */
  readonly urls?: boolean;
}

export const proberName = 'prober';
export const connectorName = 'connector';

const readsGate = { database: 'runtime', tables: { state: ['UpdateItem'] } } as const;
/** What each loop may touch besides its gate. */
const loopNeeds = {
  'loop-job-processor': { ...readsGate, sendsJobs: true },
  'loop-job-timeout': { ...readsGate, sendsJobs: true },
  'loop-renewal-check': { ...readsGate, sendsJobs: true },
  'loop-short-lived-expiry': { ...readsGate, sendsJobs: true },
  'loop-agent-health': { ...readsGate, tables: { state: ['BatchGetItem', 'UpdateItem'] }, sendsJobs: true },
  'loop-outbox-dispatch': { ...readsGate, tables: { state: ['UpdateItem', 'PutItem'] }, sendsJobs: true },
  'loop-crl-generation': { ...readsGate, artifacts: ['crl/*'], envelope: ['decrypt'], signs: true },
  'loop-acme-gc': readsGate,
  'loop-audit-chain': { ...readsGate, artifacts: ['audit/*'] },
  'loop-monitor': { tables: { state: ['UpdateItem', 'GetItem'] }, warms: true },
} as const satisfies Readonly<Record<(typeof scheduledLoops)[number]['function'], Partial<FunctionSpec>>>;

// The write that decides, and the read for stores that do not return the item on a failed condition.
const rates = ['UpdateItem', 'GetItem'] as const;

export const functionSpecs: readonly FunctionSpec[] = [
  {
    name: 'api',
    routes: ['ANY /api/{proxy+}', 'ANY /health', 'ANY /ready'],
    iamRoutes: ['ANY /iam/{proxy+}'],
    memoryMb: 512,
    timeoutSeconds: 29,
    database: 'runtime',
    tables: { state: ['GetItem', 'BatchGetItem', 'PutItem', 'UpdateItem'], rates },
    // Anchors of the audit chain.
    artifacts: ['audit/*'],
    // it signs CAs below others and repeats answers: of all that is sealed it opens those alone
    envelope: ['encrypt', 'decrypt'],
    envelopeContexts: ['ca-key:', 'idempotency:'],
    signs: true,
    sendsJobs: true,
    startsLoops: true,
    urls: true,
  },
  {
    name: 'acme',
    routes: ['ANY /acme/{proxy+}'],
    memoryMb: 1024,
    timeoutSeconds: 29,
    database: 'runtime',
    tables: { state: ['GetItem', 'PutItem', 'UpdateItem'], nonces: ['PutItem'], rates },
    envelope: ['encrypt', 'decrypt'],
    signs: true,
    sendsJobs: true,
    urls: true,
  },
  {
    name: 'revocation',
    routes: ['ANY /.well-known/pki/{proxy+}'],
    plainHttp: true,
    memoryMb: 512,
    timeoutSeconds: 29,
    database: 'runtime',
    tables: { state: ['GetItem', 'PutItem'], rates },
    artifacts: ['crl/*'],
    envelope: ['encrypt', 'decrypt'],
    signs: true,
  },
  { name: proberName, memoryMb: 256, timeoutSeconds: 45 },
  { name: connectorName, memoryMb: 256, timeoutSeconds: 50, envelope: ['decrypt'], envelopeContexts: ['connector:'] },
  {
    name: 'worker',
    memoryMb: 512,
    timeoutSeconds: 60,
    database: 'runtime',
    tables: { state: ['UpdateItem'] },
    artifacts: ['crl/*'],
    envelope: ['decrypt'],
    // It signs for CAs. What the connector sealed passes through it unopened.
    envelopeContexts: ['ca-key:'],
    signs: true,
    consumesJobs: true,
    invokesProber: true,
    invokesConnector: true,
    urls: true,
  },
  ...scheduledLoops.map((loop): FunctionSpec => ({
    name: loop.function,
    everyMinutes: loop.everyMinutes,
    memoryMb: loop.memoryMb,
    timeoutSeconds: loop.timeoutSeconds,
    ...loopNeeds[loop.function as keyof typeof loopNeeds],
  })),
  {
    name: 'migrate',
    memoryMb: 512,
    timeoutSeconds: 840,
    database: 'owner',
    tables: { state: ['PutItem'] },
    envelope: ['encrypt', 'decrypt'],
    urls: true,
  },
];

/** Loops share one asset and differ by their handler's name. */
export function isLoop(name: string): boolean {
  return name.startsWith('loop-');
}
