import type * as z from 'zod';
import type { awsAcmConfig } from './config.ts';

/** Whom to be towards AWS. */
export interface Role {
  readonly arn: string;
  readonly externalId: string | undefined;
  /** What CloudTrail of the role's account shows beside the role: 2 to 64 characters. */
  readonly sessionName: string;
}

/** Where to speak to AWS Certificate Manager, and as whom. */
export interface Session {
  readonly region: string;
  /** Undefined: whoever runs this. */
  readonly role: Role | undefined;
}

const longestName = 64;

/** The session of a configuration. @param targetId which the session's name says, where it is known */
export function sessionOf({ region, role_arn: arn, external_id: externalId }: z.output<typeof awsAcmConfig>, targetId?: string): Session {
  if (arn === undefined) return { region, role: undefined };
  const sessionName = targetId === undefined ? 'certctl' : `certctl-${targetId.replaceAll(/[^\w+=,.@-]/g, '-')}`;
  return { region, role: { arn, externalId, sessionName: sessionName.slice(0, longestName) } };
}

/** By which a client of the session is known again. */
export function keyOf({ region, role }: Session): string {
  return JSON.stringify(role === undefined ? [region] : [region, role.arn, role.externalId ?? null, role.sessionName]);
}
