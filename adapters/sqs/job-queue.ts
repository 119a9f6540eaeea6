import { ChangeMessageVisibilityCommand, SendMessageBatchCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { SigningHash } from '../http/signing-hash.ts';

/** What a message says: a row has something to do. The row is the truth. */
export type Hint = { readonly jobId: string } | { readonly notificationId: string };

/** Hints for the worker: losing one costs time, never work. */
export interface JobQueue {
  /** Any number of hints; many go several to a message. @returns how many could not be sent */
  sendAll(hints: readonly Hint[]): Promise<number>;
  /** What came with others goes on by itself. @param delaySeconds what is beyond 900 waits 900 */
  sendOn(hints: readonly Hint[], delaySeconds: number): Promise<void>;
  /** Asks for the audit trail to be sealed. @param delaySeconds 0 to 900 */
  askSeal(delaySeconds: number): Promise<void>;
  /** Shows a received message again after a delay. @param seconds 0 to 43200 */
  postpone(receiptHandle: string, seconds: number): Promise<void>;
}

/** A message that names no row: what has committed wants to be sealed. */
const sealRequest = JSON.stringify({ seal: true });
const batchSize = 10;
const atOnce = 8;
const longestDelay = 900;
/** A worker does the hints of a message one after another; so few never go together that others would stand idle meanwhile. */
const hintsOfMessage = 5;
const apart = 100;

function messagesOf(hints: readonly Hint[]): readonly (readonly Hint[])[] {
  const size = Math.min(hintsOfMessage, Math.max(1, Math.ceil(hints.length / apart)));
  return partsOf(hints, size);
}

function partsOf<T>(all: readonly T[], size: number): (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, index) => all.slice(index * size, (index + 1) * size));
}

function bodyOf(hints: readonly Hint[]): string {
  return JSON.stringify(hints.length === 1 ? hints[0] : { hints });
}

export function jobQueue(url: string): JobQueue {
  // The host in a queue's address has no IPv6; the client's own endpoint has it where the subnet has nothing else.
  const client = new SQSClient({ cacheMiddleware: true, sha256: SigningHash, maxAttempts: 2, useQueueUrlAsEndpoint: false });
  return {
    async sendAll(hints) {
      const batches = partsOf(messagesOf(hints), batchSize);
      let lost = 0;
      const send = async (): Promise<void> => {
        for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
          const entries = batch.map((message, index) => ({ Id: String(index), MessageBody: bodyOf(message) }));
          let failed = entries.map(({ Id }): { readonly Id: string | undefined } => ({ Id }));
          try {
            failed = (await client.send(new SendMessageBatchCommand({ QueueUrl: url, Entries: entries }))).Failed ?? [];
          } catch {
            // All of them are lost.
          }
          for (const { Id } of failed) lost += batch[Number(Id)]?.length ?? 0;
        }
      };
      await Promise.all(Array.from({ length: Math.min(atOnce, batches.length) }, send));
      return lost;
    },
    async sendOn(hints, delaySeconds) {
      const DelaySeconds = Math.min(longestDelay, delaySeconds);
      await client.send(new SendMessageCommand({ QueueUrl: url, MessageBody: bodyOf(hints), DelaySeconds }));
    },
    async askSeal(delaySeconds) {
      await client.send(new SendMessageCommand({ QueueUrl: url, MessageBody: sealRequest, DelaySeconds: delaySeconds }));
    },
    async postpone(receiptHandle, seconds) {
      await client.send(new ChangeMessageVisibilityCommand({ QueueUrl: url, ReceiptHandle: receiptHandle, VisibilityTimeout: seconds }));
    },
  };
}
