import * as z from 'zod';
import { environment } from '../shared/environment.ts';

/** What the control plane reads from its environment. */
export const settings = z
  .object({
    ...environment.database,
    ...environment.state,
    ...environment.envelope,
    ...environment.queue,
    ...environment.artifacts,
    ...environment.urls,
    /** File name of the newest migration in this release. */
    SCHEMA_HEAD: z.string().min(1),
    /** The loops' functions as JSON: name in the tree → name in the cloud. */
    LOOP_FUNCTIONS: z.string().default('{}'),
    CONNECTOR_DOOR: z.string().optional(),
    /** Regions of AWS in which the connector may import certificates, separated by commas. */
    CERTIFICATE_MANAGER_REGIONS: z.string().default(''),
    /** ARNs of roles that it may assume for that, separated by spaces: their names may have commas. */
    CERTIFICATE_MANAGER_ROLES: z.string().default(''),
    /** Seconds between an agent's looks for work, and between its heartbeats. */
    AGENT_POLL_SECONDS: z.coerce.number().int().min(1).max(3600).default(30),
    AGENT_HEARTBEAT_SECONDS: z.coerce.number().int().min(1).max(3600).default(60),
    /** The oldest version of an agent that is not degraded; empty: any. */
    AGENT_MINIMUM_VERSION: z.string().default(''),
  })
  .parse(process.env);
export type Settings = typeof settings;
