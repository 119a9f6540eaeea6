import net from 'node:net';
import { testLimiter } from '../limits/limiter.ts';

// Load in a process of its own. node limiter-load.ts updates|decisions ENDPOINT TABLE CONCURRENCY SECONDS
// `updates` speaks to the store without the SDK, so that the store is what is measured; `decisions` are the limiter's own, each of another account.
const [kind = '', endpoint = '', table = '', concurrency = '1', seconds = '1'] = process.argv.slice(2);
const end = performance.now() + Number(seconds) * 1000;
const times: number[] = [];

/** A conditional update as the limiter makes it, one after the other on a connection. */
function updates(lane: number): Promise<void> {
  const { hostname, port } = new URL(endpoint);
  const message = (key: string): string => {
    const body = JSON.stringify({
      TableName: table,
      Key: { pk: { S: `v1#default#bench#${key}#0` } },
      UpdateExpression: 'SET tat = :next, #exp = :exp',
      ConditionExpression: 'attribute_not_exists(tat) OR tat <= :now',
      ExpressionAttributeNames: { '#exp': 'exp' },
      ExpressionAttributeValues: { ':next': { N: '1764000000000000' }, ':now': { N: '1764000000000001' }, ':exp': { N: '1764000000' } },
      ReturnValues: 'ALL_NEW',
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    });
    const head = ['POST / HTTP/1.1', 'host: bench', 'authorization: bench', 'x-amz-target: DynamoDB_20120810.UpdateItem'];
    return `${head.join('\r\n')}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  };
  const messages = Array.from({ length: 100 }, (_, i) => message(`${lane}-${i}`));
  return new Promise((resolve) => {
    const socket = net.connect(Number(port), hostname);
    let began = 0;
    const next = (): void => {
      if (performance.now() > end) {
        socket.destroy();
        resolve();
        return;
      }
      began = performance.now();
      socket.write(messages[times.length % messages.length] ?? '');
    };
    socket.on('connect', next);
    socket.on('data', () => {
      times.push(performance.now() - began);
      next();
    });
  });
}

async function decisions(lane: number): Promise<void> {
  const clock = { nowUs: () => Date.now() * 1000, marginUs: () => 250_000, asking: () => () => undefined };
  const limiter = testLimiter({ endpoint, name: table }, { clock });
  for (let i = 0; performance.now() < end; i++) {
    const began = performance.now();
    await limiter.take('acme-new-order', `${process.pid}-${lane}-${i % 1000}`);
    times.push(performance.now() - began);
  }
}

await Promise.all(Array.from({ length: Number(concurrency) }, (_, lane) => (kind === 'updates' ? updates(lane) : decisions(lane))));
times.sort((a, b) => a - b);
const at = (share: number): number => Number((times[Math.floor(times.length * share)] ?? 0).toFixed(2));
process.stdout.write(JSON.stringify({ perSecond: times.length / Number(seconds), p50ms: at(0.5), p99ms: at(0.99) }));
