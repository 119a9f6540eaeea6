import { ChangeMessageVisibilityCommand, SendMessageBatchCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';

/** What a message says: a row has something to do. The row is the truth. */
export type Hint = { readonly jobId: string } | { readonly notificationId: string };

/** Hints for the worker: losing one costs time, never work. */
export interface JobQueue {
  send(jobId: string): Promise<void>;
  /** Any number of hints. @returns how many could not be sent */
  sendAll(hints: readonly Hint[]): Promise<number>;
  /** Shows a received message again after a delay. @param seconds 0 to 43200 */
  postpone(receiptHandle: string, seconds: number): Promise<void>;
}

const batchSize = 10;

export function jobQueue(url: string): JobQueue {
  const client = new SQSClient({ maxAttempts: 2 });
  return {
    async send(jobId) {
      await client.send(new SendMessageCommand({ QueueUrl: url, MessageBody: JSON.stringify({ jobId }) }));
    },
    async sendAll(hints) {
      let lost = 0;
      for (let at = 0; at < hints.length; at += batchSize) {
        const batch = hints.slice(at, at + batchSize);
        const entries = batch.map((hint, index) => ({ Id: String(index), MessageBody: JSON.stringify(hint) }));
        try {
          lost += (await client.send(new SendMessageBatchCommand({ QueueUrl: url, Entries: entries }))).Failed?.length ?? 0;
        } catch {
          lost += batch.length;
        }
      }
      return lost;
    },
    async postpone(receiptHandle, seconds) {
      await client.send(new ChangeMessageVisibilityCommand({ QueueUrl: url, ReceiptHandle: receiptHandle, VisibilityTimeout: seconds }));
    },
  };
}
