/** Which deployed function asks. */
export type LimitedFunction = 'acme' | 'api' | 'revocation';

/**
 * - `burst`: GCRA; `burstTimes` the count at once, then the count per window. A window may see both.
 * - `bounded`: GCRA sized so that no window of that length ever sees more than the count.
 * - `strict`: slot leases; no window ever sees more than the count.
 * - `failures`: slot leases taken before the comparison and given back on success; no window sees more than the count fail.
 * - `counted`: what failed, counted in the PostgreSQL transaction that tells so; nobody takes one in advance.
 * - `open`: not a rate: so many at once, counted in the PostgreSQL transaction that opens one.
 */
export type LimitKind = 'burst' | 'bounded' | 'strict' | 'failures' | 'counted' | 'open';

/** A limiter, declared once: call sites, configuration and the operators' table come from here. */
export interface LimitDeclaration {
  readonly kind: LimitKind;
  readonly counts: string;
  /** What a bucket belongs to. */
  readonly per: 'address' | 'account' | 'account and name' | 'principal';
  readonly functions: readonly LimitedFunction[];
  /** Key under `limits` in the CDK context; its environment variable is {@link variableOf} it. */
  readonly setting: string;
  readonly count: number;
  /** 0 is allowed and switches it off. */
  readonly mayBeOff: boolean;
  readonly windowSeconds: number;
  readonly burstTimes?: number;
  /** Processes take tokens in advance, so that not every request costs a write. */
  readonly leased?: boolean;
  /** When the table does not answer: admit all, let each process admit a tenth by itself, or none. */
  readonly onError: 'open' | 'tenth' | 'closed';
  readonly refusal: string;
  /** Why `onError` is what it is. */
  readonly because: string;
}

const acmeRefusal = '429, problem `rateLimited`';
const cautious = 'issuance without a cap is the threat; renewals have days of slack';

export const limits = {
  'api-address': {
    kind: 'burst',
    counts: 'requests to the control plane, before authentication',
    per: 'address',
    functions: ['api'],
    setting: 'apiRequestsPerSecondPerAddress',
    count: 50,
    mayBeOff: true,
    windowSeconds: 1,
    burstTimes: 2,
    leased: true,
    onError: 'tenth',
    refusal: '429, problem `rateLimited`',
    because: 'availability; the stage of the gateway throttles too',
  },
  'api-principal': {
    kind: 'burst',
    counts: 'requests to the control plane, after authentication',
    per: 'principal',
    functions: ['api'],
    setting: 'apiRequestsPerSecondPerPrincipal',
    count: 50,
    mayBeOff: true,
    windowSeconds: 1,
    burstTimes: 2,
    leased: true,
    onError: 'tenth',
    refusal: '429, problem `rateLimited`',
    because: 'as above',
  },
  'api-failed-authentication': {
    kind: 'failures',
    counts: 'bearer tokens that were wrong, AWS identities without a mapping',
    per: 'address',
    functions: ['api'],
    setting: 'failedAuthenticationsPerHour',
    count: 10,
    mayBeOff: false,
    windowSeconds: 3600,
    onError: 'closed',
    refusal: '429, problem `rateLimited`, also for a right token',
    because: 'guessing must not outrun the counter',
  },
  'agent-address': {
    kind: 'burst',
    counts: 'requests that carry an agent’s signature, before it is verified',
    per: 'address',
    functions: ['api'],
    setting: 'agentRequestsPerSecondPerAddress',
    count: 500,
    mayBeOff: true,
    windowSeconds: 1,
    burstTimes: 4,
    leased: true,
    onError: 'tenth',
    refusal: '429, problem `rateLimited`',
    because: 'a fleet may sit behind one address; agents come back later by themselves',
  },
  'acme-address': {
    kind: 'burst',
    counts: 'requests to the ACME server',
    per: 'address',
    functions: ['acme'],
    setting: 'acmeRequestsPerMinute',
    count: 12_000,
    mayBeOff: true,
    windowSeconds: 60,
    burstTimes: 1,
    leased: true,
    onError: 'tenth',
    refusal: acmeRefusal,
    because: 'availability; what issues has limiters of its own, which fail closed',
  },
  'acme-new-account': {
    kind: 'strict',
    counts: 'accounts made',
    per: 'address',
    functions: ['acme'],
    setting: 'newAccountsPer3Hours',
    count: 10,
    mayBeOff: false,
    windowSeconds: 10_800,
    onError: 'closed',
    refusal: acmeRefusal,
    because: cautious,
  },
  'acme-eab-failure': {
    kind: 'failures',
    counts: 'external account bindings that were wrong',
    per: 'address',
    functions: ['acme'],
    setting: 'eabFailuresPerHour',
    count: 10,
    mayBeOff: false,
    windowSeconds: 3600,
    onError: 'closed',
    refusal: acmeRefusal,
    because: 'guessing must not outrun the counter',
  },
  'acme-new-order': {
    kind: 'burst',
    counts: 'orders made',
    per: 'account',
    functions: ['acme'],
    setting: 'newOrdersPerHour',
    count: 100,
    mayBeOff: false,
    windowSeconds: 3600,
    burstTimes: 1,
    onError: 'closed',
    refusal: acmeRefusal,
    because: cautious,
  },
  'acme-challenge-response': {
    kind: 'burst',
    counts: 'challenges answered',
    per: 'account',
    functions: ['acme'],
    setting: 'challengeResponsesPerHour',
    count: 60,
    mayBeOff: false,
    windowSeconds: 3600,
    burstTimes: 1,
    onError: 'closed',
    refusal: acmeRefusal,
    because: cautious,
  },
  'acme-key-change': {
    kind: 'burst',
    counts: 'account keys changed',
    per: 'account',
    functions: ['acme'],
    setting: 'keyChangesPerHour',
    count: 5,
    mayBeOff: false,
    windowSeconds: 3600,
    burstTimes: 1,
    onError: 'closed',
    refusal: acmeRefusal,
    because: 'a key is changed once in a while, and an attacker may wait',
  },
  'acme-open-orders': {
    kind: 'open',
    counts: 'orders pending, ready or processing at once',
    per: 'account',
    functions: ['acme'],
    setting: 'openOrders',
    count: 50,
    mayBeOff: false,
    windowSeconds: 0,
    onError: 'closed',
    refusal: acmeRefusal,
    because: 'the count is part of the transaction that makes the order',
  },
  'acme-failed-validation': {
    kind: 'counted',
    counts: 'validations that failed, since the last good one',
    per: 'account and name',
    functions: ['acme'],
    setting: 'failedValidationsPerHour',
    count: 5,
    mayBeOff: false,
    windowSeconds: 3600,
    onError: 'closed',
    refusal: `${acmeRefusal} at newOrder`,
    because: 'the count is part of the transaction that ends the validation',
  },
  'acme-pause': {
    kind: 'counted',
    counts: 'validations that failed in a row, however slowly; then the name is paused',
    per: 'account and name',
    functions: ['acme'],
    setting: 'failuresBeforePause',
    count: 50,
    mayBeOff: true,
    windowSeconds: 0,
    onError: 'closed',
    refusal: `${acmeRefusal} at newOrder, until somebody unpauses`,
    because: 'as above',
  },
  'ocsp-address': {
    kind: 'bounded',
    counts: 'OCSP requests',
    per: 'address',
    functions: ['revocation'],
    setting: 'ocspRequestsPerMinute',
    count: 1000,
    mayBeOff: true,
    windowSeconds: 60,
    leased: true,
    onError: 'open',
    refusal: '200, OCSP `tryLater`, `no-store`',
    because: 'clients that are refused skip the check',
  },
} as const satisfies Readonly<Record<string, LimitDeclaration>>;

export type LimitName = keyof typeof limits;
export type LimitSetting = (typeof limits)[LimitName]['setting'];
type OfKind<Kind extends LimitKind> = { [Name in LimitName]: (typeof limits)[Name]['kind'] extends Kind ? Name : never }[LimitName];
/** Limiters of which one takes. */
export type TakenLimit = OfKind<'burst' | 'bounded' | 'strict'>;
/** Limiters that count what fails. */
export type FailureLimit = OfKind<'failures'>;

export const limitNames = Object.keys(limits) as readonly LimitName[];

/** A declaration by its name, without the literal types of the table. */
export function limitOf(name: LimitName): LimitDeclaration {
  return limits[name];
}

/** The environment variable of a setting, e.g. `newAccountsPer3Hours` → `LIMIT_NEW_ACCOUNTS_PER_3_HOURS`. */
export function variableOf(setting: LimitSetting): string {
  return `LIMIT_${setting.replace(/([a-z])(?=[A-Z0-9])|([0-9])(?=[A-Z])/g, '$1$2_').toUpperCase()}`;
}
