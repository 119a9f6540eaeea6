import { ConditionalCheckFailedException, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';

/**
 * A client for small conditional writes in the way of a request: kept-alive connections. The gateway endpoint of a VPC is
 * reached over IPv4, hence never dual-stack.
 *
 * @param requestTimeoutMs the whole of one try
 * @param tries how many the client makes; who has a deadline of its own makes them itself
 */
export function dynamodbClient(requestTimeoutMs: number, tries = 2): DynamoDBClient {
  const agent = { keepAlive: true, maxSockets: 50, noDelay: true };
  return new DynamoDBClient({
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
}

/** Whether a conditional write met a condition that does not hold. */
export function isConditionFailure(error: unknown): error is ConditionalCheckFailedException {
  return error instanceof ConditionalCheckFailedException || (error as { name?: string }).name === 'ConditionalCheckFailedException';
}
