import { createHash, randomUUID } from 'node:crypto';
import { AwsError } from './aws-error.ts';
import type { PlannedQueue, PlannedSource } from '../plan.ts';

interface Message {
  readonly id: string;
  readonly body: string;
  readonly sentAt: number;
  visibleAt: number;
  receipt: string;
  receives: number;
}

/** Runs a function with an event; false when the function failed. */
export type Deliver = (functionName: string, event: unknown) => Promise<unknown>;

/**
 * Queues with delay, visibility timeout, redrive, and the poller of their event sources with partial batch failures. Messages live in
 * memory: they are hints, and whatever a restart loses the dispatcher finds in the database.
 */
export function sqs(queues: readonly PlannedQueue[], sources: readonly PlannedSource[], deliver: Deliver, now: () => number = Date.now) {
  const contents = new Map(queues.map((queue) => [queue.name, new Map<string, Message>()]));
  const specs = new Map(queues.map((queue) => [queue.name, queue]));
  const running = new Map(sources.map((source) => [source.queue, 0]));
  let timer: NodeJS.Timeout | undefined;
  let scheduledFor = Number.POSITIVE_INFINITY;
  let stopped = false;

  const spec = (url: string): PlannedQueue => {
    const found = specs.get(url.split('/').at(-1) ?? '');
    if (found === undefined) throw new AwsError('QueueDoesNotExist', 'The specified queue does not exist.');
    return found;
  };
  const messages = (name: string): Map<string, Message> => contents.get(name) ?? new Map<string, Message>();

  const wake = (at: number): void => {
    if (stopped || at >= scheduledFor) return;
    clearTimeout(timer);
    scheduledFor = at;
    timer = setTimeout(poll, Math.max(0, at - now()));
  };

  const take = (source: PlannedSource): Message[] => {
    const queue = messages(source.queue);
    const batch: Message[] = [];
    for (const message of queue.values()) {
      if (message.visibleAt > now()) continue;
      if (redrive(source.queue, message)) continue;
      batch.push(message);
      if (batch.length === source.batchSize) break;
    }
    return batch;
  };

  const redrive = (queueName: string, message: Message): boolean => {
    const dead = specs.get(queueName)?.deadLetter;
    if (dead === undefined || message.receives < dead.maxReceiveCount) return false;
    messages(queueName).delete(message.id);
    messages(dead.queue).set(message.id, { ...message, visibleAt: now(), receives: 0 });
    return true;
  };

  const poll = (): void => {
    scheduledFor = Number.POSITIVE_INFINITY;
    for (const source of sources) {
      while (!stopped && (running.get(source.queue) ?? 0) < source.maxConcurrency) {
        const batch = take(source);
        if (batch.length === 0) break;
        void run(source, batch);
      }
      let next = Number.POSITIVE_INFINITY;
      for (const message of messages(source.queue).values()) next = Math.min(next, message.visibleAt);
      if (next < Number.POSITIVE_INFINITY && (running.get(source.queue) ?? 0) < source.maxConcurrency) wake(next);
    }
  };

  const run = async (source: PlannedSource, batch: readonly Message[]): Promise<void> => {
    const timeout = (specs.get(source.queue)?.visibilitySeconds ?? 30) * 1000;
    running.set(source.queue, (running.get(source.queue) ?? 0) + 1);
    for (const message of batch) {
      message.receipt = randomUUID();
      message.receives += 1;
      message.visibleAt = now() + timeout;
    }
    const hidden = new Map(batch.map((message) => [message.id, message.visibleAt]));
    let failed: ReadonlySet<string>;
    try {
      const answer = (await deliver(source.functionName, { Records: batch.map((message) => record(source.queue, message)) })) as {
        batchItemFailures?: { itemIdentifier: string }[];
      } | null;
      failed = new Set((answer?.batchItemFailures ?? []).map((failure) => failure.itemIdentifier));
    } catch {
      failed = new Set(batch.map((message) => message.id));
    }
    for (const message of batch) {
      if (!failed.has(message.id)) messages(source.queue).delete(message.id);
      // What nobody postponed on purpose comes back after a moment, not after the whole timeout: the poller knows that it failed.
      else if (message.visibleAt === hidden.get(message.id)) message.visibleAt = now() + Math.min(timeout, 1000);
    }
    running.set(source.queue, (running.get(source.queue) ?? 1) - 1);
    wake(now());
  };

  const accept = (queue: PlannedQueue, input: Record<string, unknown>): { MessageId: string; MD5OfMessageBody: string } => {
    const body = typeof input['MessageBody'] === 'string' ? input['MessageBody'] : '';
    const delay = Number(input['DelaySeconds'] ?? 0);
    if (body === '' || Buffer.byteLength(body) > 1024 * 1024)
      throw new AwsError('InvalidMessageContents', 'The message must have 1 byte to 1 MiB');
    if (!(delay >= 0 && delay <= 900)) throw new AwsError('InvalidParameterValue', 'DelaySeconds must be 0 to 900');
    const id = randomUUID();
    messages(queue.name).set(id, { id, body, sentAt: now(), visibleAt: now() + delay * 1000, receipt: '', receives: 0 });
    wake(now() + delay * 1000);
    return { MessageId: id, MD5OfMessageBody: createHash('md5').update(body).digest('hex') };
  };

  const operations: Readonly<Record<string, (input: Record<string, unknown>) => object>> = {
    SendMessage: (input) => accept(spec(String(input['QueueUrl'])), input),
    SendMessageBatch(input) {
      const queue = spec(String(input['QueueUrl']));
      const entries = (input['Entries'] ?? []) as readonly Record<string, unknown>[];
      if (entries.length === 0 || entries.length > 10) throw new AwsError('TooManyEntriesInBatchRequest', 'A batch has 1 to 10 entries');
      if (new Set(entries.map((entry) => entry['Id'])).size < entries.length)
        throw new AwsError('BatchEntryIdsNotDistinct', 'The ids of a batch must differ');
      return { Successful: entries.map((entry) => ({ Id: entry['Id'], ...accept(queue, entry) })), Failed: [] };
    },
    PurgeQueue(input) {
      messages(spec(String(input['QueueUrl'])).name).clear();
      return {};
    },
    /** A look at what waits; hides it as a consumer would. */
    ReceiveMessage(input) {
      const queue = spec(String(input['QueueUrl']));
      const wanted = Number(input['MaxNumberOfMessages'] ?? 1);
      const visible = [...messages(queue.name).values()].filter((message) => message.visibleAt <= now()).slice(0, wanted);
      return {
        Messages: visible.map((message) => {
          message.receipt = randomUUID();
          message.receives += 1;
          message.visibleAt = now() + Number(input['VisibilityTimeout'] ?? queue.visibilitySeconds) * 1000;
          return {
            MessageId: message.id,
            ReceiptHandle: message.receipt,
            Body: message.body,
            MD5OfBody: createHash('md5').update(message.body).digest('hex'),
            Attributes: { ApproximateReceiveCount: String(message.receives) },
          };
        }),
      };
    },
    ChangeMessageVisibility(input) {
      const queue = spec(String(input['QueueUrl']));
      const message = [...messages(queue.name).values()].find((candidate) => candidate.receipt === input['ReceiptHandle']);
      if (message === undefined) throw new AwsError('ReceiptHandleIsInvalid', 'The receipt handle has expired');
      const seconds = Number(input['VisibilityTimeout']);
      if (!(seconds >= 0 && seconds <= 43_200)) throw new AwsError('InvalidParameterValue', 'VisibilityTimeout must be 0 to 43200');
      message.visibleAt = now() + seconds * 1000;
      return {};
    },
  };

  return {
    handle(operation: string, input: unknown): object {
      const run = operations[operation];
      if (run === undefined) throw new AwsError('UnsupportedOperation', `${operation} is not played here`);
      return run(input as Record<string, unknown>);
    },
    /** Messages in a queue, visible or not. */
    depth: (queue: string): number => messages(queue).size,
    stop(): void {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

function record(queue: string, message: Message): object {
  return {
    messageId: message.id,
    receiptHandle: message.receipt,
    body: message.body,
    attributes: { ApproximateReceiveCount: String(message.receives), SentTimestamp: String(message.sentAt) },
    messageAttributes: {},
    md5OfBody: createHash('md5').update(message.body).digest('hex'),
    eventSource: 'aws:sqs',
    eventSourceARN: `arn:aws:sqs:us-east-1:000000000000:${queue}`,
    awsRegion: 'us-east-1',
  };
}
