/** The deployed functions as data: what starts each, what it may touch. `infra/stacks/services.ts` turns it into resources. */
export interface FunctionSpec {
  readonly name: string;
  /** Route keys of the HTTP API. */
  readonly routes?: readonly string[];
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
  /** Gets the platform's URLs. */
  readonly urls?: boolean;
  readonly limits?: boolean;
}

export const proberName = 'prober';

export const functionSpecs: readonly FunctionSpec[] = [
  {
    name: 'api',
    routes: ['ANY /api/{proxy+}', 'GET /health', 'GET /ready'],
    memoryMb: 512,
    timeoutSeconds: 29,
    database: 'runtime',
    tables: { state: ['GetItem', 'PutItem'] },
    envelope: ['encrypt'],
    urls: true,
  },
  {
    name: 'acme',
    routes: ['ANY /acme/{proxy+}'],
    memoryMb: 1024,
    timeoutSeconds: 29,
    database: 'runtime',
    tables: { state: ['GetItem', 'PutItem'], nonces: ['PutItem'], rates: ['UpdateItem', 'GetItem'] },
    envelope: ['encrypt', 'decrypt'],
    sendsJobs: true,
    urls: true,
    limits: true,
  },
  {
    name: 'revocation',
    routes: ['ANY /.well-known/pki/{proxy+}'],
    memoryMb: 512,
    timeoutSeconds: 29,
    database: 'runtime',
    artifacts: ['crl/*'],
    envelope: ['encrypt', 'decrypt'],
  },
  { name: proberName, memoryMb: 256, timeoutSeconds: 45 },
  {
    name: 'worker',
    memoryMb: 512,
    timeoutSeconds: 60,
    database: 'runtime',
    artifacts: ['crl/*'],
    envelope: ['decrypt'],
    consumesJobs: true,
    invokesProber: true,
  },
  { name: 'loop-job-processor', everyMinutes: 1, memoryMb: 256, timeoutSeconds: 60, database: 'runtime', sendsJobs: true },
  {
    name: 'loop-crl-generation',
    everyMinutes: 60,
    memoryMb: 512,
    timeoutSeconds: 300,
    database: 'runtime',
    artifacts: ['crl/*'],
    envelope: ['decrypt'],
  },
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
