/**
 * The agent that is no host: the connector, which deploys to what needs none. Its row is made with the first target that it has; nobody can call as it, for it
 * has no key, and it does not poll: the worker does its jobs.
 */
export const connectorAgentId = 'agent-connector';
/** Types of targets that it drives. */
export const connectorTargetTypes: readonly string[] = ['aws_acm'];
