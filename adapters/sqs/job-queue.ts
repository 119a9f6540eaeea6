import { ChangeMessageVisibilityCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';

/** Hints about jobs: losing one costs time, never a job. */
export interface JobQueue {
  send(jobId: string): Promise<void>;
  /** Shows a received message again after a delay. @param seconds 0 to 43200 */
  postpone(receiptHandle: string, seconds: number): Promise<void>;
}

export function jobQueue(url: string): JobQueue {
  const client = new SQSClient({ maxAttempts: 2 });
  return {
    async send(jobId) {
      await client.send(new SendMessageCommand({ QueueUrl: url, MessageBody: JSON.stringify({ jobId }) }));
    },
    async postpone(receiptHandle, seconds) {
      await client.send(new ChangeMessageVisibilityCommand({ QueueUrl: url, ReceiptHandle: receiptHandle, VisibilityTimeout: seconds }));
    },
  };
}
