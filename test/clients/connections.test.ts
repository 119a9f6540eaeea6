import tls from 'node:tls';
import { expect, test } from 'vitest';
import { cancelJob, getJob, type JobBody } from '#contract/jobs.ts';
import { call, type Connection } from '../../clients/http/call.ts';
import { closingFront, frontCa, order } from '../closing-front.ts';

tls.setDefaultCACertificates([...tls.getCACertificates('default'), frontCa]);

const job: JobBody = {
  id: 'job-1',
  type: 'renewal',
  subject: 'mc-1',
  agent: null,
  status: 'cancelled',
  retryable: false,
  attempts: 1,
  max_attempts: 3,
  run_at: '2026-01-01T00:00:00Z',
  state_entered_at: '2026-01-01T00:00:00Z',
  last_error: null,
  created_at: '2026-01-01T00:00:00Z',
  completed_at: null,
};
const params = { id: job.id };
const connectedTo = (server: string): Connection => ({ server, token: 'a-key', fetch });

// Which of the connections that it keeps the built-in fetch takes is its own affair.
const kept = 2;

test('given a front that closes idle connections just as the next question comes, command line and MCP server ask once more', async () => {
  const { url, came } = await closingFront(
    ({ nth }) => (nth === 1 ? 'answer' : 'reset'),
    () => job,
  );
  const connection = connectedTo(url);
  for (let n = 0; n <= kept; n++) expect(await call(connection, getJob, { params })).toEqual(job);
  expect(order(came)).toContain('1.2');
});

test('given a change that such a connection swallowed, it is sent once more under its Idempotency-Key, and without one nobody knows whether it was made', async () => {
  const asked = async (): Promise<{ connection: Connection; reset: () => number }> => {
    const { url, came } = await closingFront(
      ({ nth }) => (nth === 1 ? 'answer' : 'reset'),
      () => job,
    );
    const connection = connectedTo(url);
    for (let n = 0; n < kept; n++) await call(connection, getJob, { params });
    return { connection, reset: () => came.filter(({ method, nth }) => method === 'POST' && nth === 2).length };
  };
  const keyed = await asked();
  expect(await call(keyed.connection, cancelJob, { params, idempotencyKey: 'one' })).toEqual(job);
  expect(keyed.reset()).toBeGreaterThan(0);
  const plain = await asked();
  await expect(call(plain.connection, cancelJob, { params })).rejects.toMatchObject({ code: 'unreachable' });
  expect(plain.reset()).toBe(1);
});
