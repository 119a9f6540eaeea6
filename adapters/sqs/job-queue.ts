import { ChangeMessageVisibilityCommand, SendMessageBatchCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';

/** What a message says: a row has something to do. The row is the truth. */
export type Hint = { readonly jobId: string } | { readonly notificationId: string };

/** Hints for the worker: losing one costs time, never work. */
export interface JobQueue {
  send(jobId: string): Promise<void>;
  /** Any number of hints. @returns how many could not be sent */
  sendAll(hints: readonly Hint[]): Promise<number>;
  /** Asks for the audit trail to be sealed. @param delaySeconds 0 to 900 */
  askSeal(delaySeconds: number): Promise<void>;
  /** Shows a received message again after a delay. @param seconds 0 to 43200 */
  postpone(receiptHandle: string, seconds: number): Promise<void>;
}

/** A message that names no row: what has committed wants to be sealed. */
const sealRequest = JSON.stringify({ seal: true });
const batchSize = 10;
const atOnce = 8;

export function jobQueue(url: string): JobQueue {
  // The host in a queue's address has no IPv6; the client's own endpoint has it where the subnet has nothing else.
  const client = new SQSClient({ maxAttempts: 2, useQueueUrlAsEndpoint: false });
  return {
    async send(jobId) {
      await client.send(new SendMessageCommand({ QueueUrl: url, MessageBody: JSON.stringify({ jobId }) }));
    },
    async sendAll(hints) {
      const batches = Array.from({ length: Math.ceil(hints.length / batchSize) }, (_, index) =>
        hints.slice(index * batchSize, (index + 1) * batchSize),
      );
      let lost = 0;
      const send = async (): Promise<void> => {
        for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
          const entries = batch.map((hint, index) => ({ Id: String(index), MessageBody: JSON.stringify(hint) }));
          try {
            lost += (await client.send(new SendMessageBatchCommand({ QueueUrl: url, Entries: entries }))).Failed?.length ?? 0;
          } catch {
            lost += batch.length;
          }
        }
      };
      await Promise.all(Array.from({ length: Math.min(atOnce, batches.length) }, send));
      return lost;
    },
    async askSeal(delaySeconds) {
      await client.send(new SendMessageCommand({ QueueUrl: url, MessageBody: sealRequest, DelaySeconds: delaySeconds }));
    },
    async postpone(receiptHandle, seconds) {
      await client.send(new ChangeMessageVisibilityCommand({ QueueUrl: url, ReceiptHandle: receiptHandle, VisibilityTimeout: seconds }));
    },
  };
}
