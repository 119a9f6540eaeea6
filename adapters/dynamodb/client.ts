import { ConditionalCheckFailedException, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { SigningHash } from '../http/signing-hash.ts';

// What only tells others of a call: who made it, that it was made, and which Lambda asked (DynamoDB calls none back).
const unneeded = ['getUserAgentMiddleware', 'loggerMiddleware', 'recursionDetectionMiddleware'];

/**
 * A client for small conditional writes in the way of a request: kept-alive connections, and a third of the processor time that the SDK takes by itself,
 * as long as `send` gets no options. The gateway endpoint of a VPC is reached over IPv4, hence never dual-stack.
 *
 * @param requestTimeoutMs the whole of one try
 * @param tries how many the client makes; who has a deadline of its own makes them itself
 */
export function dynamodbClient(requestTimeoutMs: number, tries = 2): DynamoDBClient {
  const agent = { keepAlive: true, maxSockets: 50, noDelay: true };
  const client = new DynamoDBClient({
    // The steps of a command are put together once, not for each call; who adds one does so before the first.
    cacheMiddleware: true,
    sha256: SigningHash,
    maxAttempts: tries,
    useDualstackEndpoint: false,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
      httpAgent: new HttpAgent(agent),
      httpsAgent: new HttpsAgent(agent),
    }),
  });
  for (const name of unneeded) client.middlewareStack.remove(name);
  return client;
}

/** Whether a conditional write met a condition that does not hold. */
export function isConditionFailure(error: unknown): error is ConditionalCheckFailedException {
  return error instanceof ConditionalCheckFailedException || (error as { name?: string }).name === 'ConditionalCheckFailedException';
}
