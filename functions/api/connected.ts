import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { AgentStates } from '#adapters/dynamodb/agent-states.ts';
import type { Gates } from '#adapters/dynamodb/gates.ts';
import type { Envelope } from '#adapters/kms/envelope.ts';
import type { AuditTrail } from '#adapters/postgres/audit.ts';
import type { Database } from '#adapters/postgres/database.ts';
import type { ProfileAdministration } from '#adapters/postgres/profile-administration.ts';
import type { Hint } from '#adapters/sqs/job-queue.ts';
import type { Limiter } from '#domain/limit/limiter.ts';
import type { Wake } from '../shared/wake.ts';
import type { Settings } from './settings.ts';

/** What the operations are made of. */
export interface Connected {
  readonly settings: Settings;
  readonly database: Database;
  readonly dynamodb: DynamoDBClient;
  readonly gates: Gates;
  readonly sealed: Envelope;
  readonly limiter: Limiter;
  readonly trail: AuditTrail;
  readonly states: AgentStates;
  readonly wake: Wake;
  /** Sent after the commit, best effort, beside what the answer needs. */
  readonly hint: (hint: Hint) => Promise<void>;
  readonly now: () => number;
}

/** What several areas need besides. */
export interface Shared extends Connected {
  readonly hintJob: (jobId: string) => Promise<void>;
  readonly profiles: ProfileAdministration;
  /** Tells agents of work that was committed for them. */
  readonly tell: (ids: readonly string[]) => Promise<void>;
}
