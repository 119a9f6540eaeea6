import type { AgentKeyAlgorithm } from './key-algorithm.ts';

/** What is done when a target serves another certificate than was deployed there; `ignore` does not even look. */
export const driftPolicies = ['ignore', 'report', 'repair'] as const;
export type DriftPolicy = (typeof driftPolicies)[number];

export const inspectionOutcomes = ['in_sync', 'drifted', 'unreachable', 'deploying', 'nothing_deployed'] as const;
export type InspectionOutcome = (typeof inspectionOutcomes)[number];

/** Kind of keys that a server with several pairs is asked for. */
export const inspectedKeyTypes = ['rsa', 'ec', 'ed25519'] as const;
export type InspectedKeyType = (typeof inspectedKeyTypes)[number];

/** What a server with several pairs is asked for to show a key of an algorithm. */
export function keyTypeOf(algorithm: AgentKeyAlgorithm | null): InspectedKeyType | undefined {
  if (algorithm === null) return undefined;
  return algorithm.startsWith('RSA') ? 'rsa' : algorithm === 'Ed25519' ? 'ed25519' : 'ec';
}

/** What an agent saw at a target. */
export type Observation =
  | {
      readonly source: 'served' | 'stored';
      /** SHA-256 of the certificate, lower-case hex. */
      readonly fingerprint: string;
      readonly serial: string | undefined;
      readonly notAfter: Date | undefined;
    }
  /** Nothing is stored where something ought to be. */
  | { readonly source: 'empty' }
  /** Nobody answered, or what is there could not be read. */
  | { readonly source: 'none' };

/** What an agent says of a target that it was asked to look at. */
export interface InspectionReport {
  readonly observation: Observation;
  /** A deployment would come as far as its first write. */
  readonly ready: boolean;
  readonly failureClass: string | undefined;
  readonly detail: string | undefined;
}

/** What ought to be at a target: SHA-256 fingerprints in hex. */
export interface ExpectedAtTarget {
  /** Last verified in place; undefined: nothing was. */
  readonly deployed: string | undefined;
  /** The newest version that the agent has; what it deploys next. */
  readonly current: string | undefined;
  /** A deployment has not ended, or was not ended yet when the agent began to look. */
  readonly deploying: boolean;
}

/** Judges what was seen. Who cannot be reached has not drifted, and while a deployment is under way only what fits is judged. */
export function judgeInspection(observation: Observation, expected: ExpectedAtTarget): InspectionOutcome {
  if (expected.deployed === undefined) return observation.source === 'none' ? 'unreachable' : 'nothing_deployed';
  if (observation.source === 'none') return expected.deploying ? 'deploying' : 'unreachable';
  if (observation.source !== 'empty' && (observation.fingerprint === expected.deployed || observation.fingerprint === expected.current))
    return 'in_sync';
  return expected.deploying ? 'deploying' : 'drifted';
}
