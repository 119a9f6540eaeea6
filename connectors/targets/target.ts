import type { Command } from './command.ts';

/** One order to put a certificate where a server reads it. */
export interface DeployRequest {
  readonly certificateId: string;
  readonly versionId: string;
  readonly targetId: string;
  readonly targetType: string;
  /** JSON of the platform, not yet validated. */
  readonly config: unknown;
  readonly leafPem: string;
  /** Issuers of the leaf, nearest first; empty when there are none to serve. */
  readonly chainPem: string;
  /** PKCS#8, made on this host. */
  readonly privateKeyPem: string;
  /** What the target calls its certificate, as an earlier deployment reported. */
  readonly reference?: string | undefined;
}

/** What the host, and not the platform, decides. */
export interface HostRules {
  /**
   * Absolute files or folders; a deployment writes nowhere else. What is no file of this host stands there by its address:
   * `ssh://user@host:port/folder`, `http://localhost:2019`, `unix:/run/caddy/admin.sock`, `acm://eu-central-1`, `acm://role-arn@eu-central-1`.
   */
  readonly allowedPaths: readonly string[];
  /** Exact argument lists; anything else does not run. */
  readonly allowedCommands: readonly Command[];
  /** Folder of the host's own; the journal lies below it. */
  readonly stateDir: string;
  /** Copies of replaced files to keep per file: 0 none, -1 all. */
  readonly backupRetention: number;
  /** A secret of the host by its name. */
  secret(name: string): Promise<string | undefined>;
  /** PKCS#8, PEM, of the key that a certificate deployed before is for, while this host has it. */
  keyOf?(certificateId: string, leafPem: string): Promise<string | undefined>;
  /** The time by which expiry is judged; `undefined` while the host's clock is known to be wrong. The host's clock when absent. */
  now?(): Date | undefined;
  /** Told of each step before it begins, with the file's number where a step has several. */
  onStep?(step: Step, index?: number): void;
}

/** The steps of a deployment, in their order; the last two only after a failure. */
export const steps = ['stage', 'check_staged', 'commit', 'check', 'reload', 'verify', 'settle', 'restore', 'reload_restored'] as const;
export type Step = (typeof steps)[number];

/** Which kind of step stopped a deployment. */
export type FailureClass =
  'validate' | 'write' | 'reload' | 'verify' | 'rollback_failed' | 'rollback_impossible' | 'connector' | 'key_mismatch';

/** What the server was seen to serve; fingerprints are lower-case hex of SHA-256 over the leaf's DER. */
export interface Verification {
  readonly expectedFingerprint: string;
  readonly actualFingerprint?: string;
  readonly verified: boolean;
}

/** How a deployment ended. */
export interface DeployOutcome {
  readonly ok: boolean;
  /** Everything was already as wanted; nothing was written and nothing reloaded. */
  readonly idempotent: boolean;
  /** What was there before is there again. */
  readonly rolledBack: boolean;
  readonly failureClass?: FailureClass;
  /** For people, at most 2000 characters, without secrets. */
  readonly detail?: string;
  readonly backupPaths: readonly string[];
  /** Absent when the configuration says `"verify": "off"` or nothing came so far. */
  readonly verification?: Verification;
  /** What the target calls its certificate, where it gives names. */
  readonly reference?: string;
  readonly durationMs: number;
}

/** How a deployment ended that a crash had interrupted. */
export interface ResumedOutcome extends DeployOutcome {
  readonly certificateId: string;
  readonly versionId: string;
  readonly targetId: string;
}
