import fc from 'fast-check';
import { expect, test } from 'vitest';
import { listJobs } from '#contract/jobs.ts';
import { listCertificates } from '#contract/certificates.ts';
import { cursors, type ListQuery } from './cursor.ts';

const ours = cursors(Buffer.alloc(32, 1));
const query: ListQuery = { sort: '-created_at', limit: 50 };

test('a cursor leads back to the place that it was made for, whatever the place is called', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string(), fc.integer({ min: 1, max: 500 }), (key, id, limit) => {
      const cursor = ours.make(listJobs, query, { key, id });
      expect(ours.page(listJobs, { ...query, limit, cursor })).toEqual({ sort: 'created_at', descending: true, limit, after: { key, id } });
    }),
  );
});

test('another list, other filters, another order, another platform and a changed byte are refused', () => {
  const cursor = ours.make(listJobs, { ...query, status: 'failed' }, { key: '2026-01-01 00:00:00+00', id: 'job-1' });
  const asked = { ...query, status: 'failed', cursor };
  expect(ours.page(listJobs, asked).after?.id).toBe('job-1');
  expect(ours.page(listJobs, { ...asked, fields: 'id' }).after?.id).toBe('job-1');
  for (const attempt of [
    () => ours.page(listCertificates, asked),
    () => ours.page(listJobs, { ...query, cursor }),
    () => ours.page(listJobs, { ...asked, status: 'pending' }),
    () => ours.page(listJobs, { ...asked, sort: 'created_at' }),
    () => cursors(Buffer.alloc(32, 2)).page(listJobs, asked),
  ])
    expect(attempt).toThrow(/cursor/);
});

test('whatever is sent as a cursor is refused as malformed, never otherwise', () => {
  fc.assert(
    fc.property(fc.base64String({ maxLength: 200 }), (text) => {
      const cursor = text.replaceAll('=', '').replaceAll('+', '-').replaceAll('/', '_');
      expect(() => ours.page(listJobs, { ...query, cursor })).toThrow(expect.objectContaining({ code: 'malformed' }) as Error);
    }),
  );
});
