import { connectorAnswer, type ConnectorAnswer, type ConnectorCall } from '#domain/connector/call.ts';
import { invoker } from './invoke.ts';

/** Asks the connector. @throws when it does not answer or answers something else */
export function connector(functionName: string): (call: ConnectorCall) => Promise<ConnectorAnswer> {
  return invoker(functionName, connectorAnswer, { timeoutMs: 50_000, maxAnswerBytes: 262_144 });
}
