import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CaError } from '../error.ts';
import { readCertId, renewalInfo, type RenewableCertificate } from './renewal-info.ts';

const certificate = (days: number, more: Partial<RenewableCertificate> = {}): RenewableCertificate => ({
  id: 'cert-1',
  accountId: undefined,
  names: [],
  fingerprint: Buffer.alloc(32, 7),
  notBefore: new Date('2026-01-01T00:00:00Z'),
  notAfter: new Date(Date.parse('2026-01-01T00:00:00Z') + days * 86_400_000),
  urgent: false,
  windowDays: undefined,
  website: undefined,
  ...more,
});

test('the example of RFC 9773 §4.1 is read, its leading zero octet included', () => {
  expect(readCertId('aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE')).toEqual({
    keyIdentifier: Buffer.from('69885B6B87464041E1B37B847BA0AE2CDE01C8D4', 'hex'),
    serial: '87654321',
  });
});

test.each([
  '',
  '.',
  'a.b.c',
  'aYhb',
  'aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE=',
  'aYhba4dGQEHhs3uEe6CuLN4ByNQ.h2VDIQ',
  'aYhb.AAdlQw',
  'aYhb.AIdl QyE',
  'aYh*.AIdlQyE',
])('the identifier %j is malformed', (text) => {
  expect(() => readCertId(text)).toThrow(CaError);
});

test('given any text, an identifier is read or refused by name', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 300 }), (text) => {
      try {
        expect(readCertId(text).serial).toMatch(/^(0|[1-9a-f][0-9a-f]*)$/);
      } catch (error) {
        expect(error).toMatchObject({ code: 'malformed' });
      }
    }),
  );
});

test('given any certificate, its window lies in its life, is not empty, and is the same at each asking', () => {
  fc.assert(
    fc.property(fc.integer({ min: 300, max: 34_300_800 }), fc.uint8Array({ minLength: 32, maxLength: 32 }), (seconds, fingerprint) => {
      const subject = certificate(seconds / 86_400, { fingerprint });
      const info = renewalInfo(subject);
      expect(info.start.getTime()).toBeGreaterThan(subject.notBefore.getTime());
      expect(info.end.getTime()).toBeLessThan(subject.notAfter.getTime());
      expect(info.end.getTime()).toBeGreaterThan(info.start.getTime());
      expect(info.retryAfter).toBeGreaterThanOrEqual(60);
      expect(info.retryAfter).toBeLessThanOrEqual(21_600);
      expect(renewalInfo(subject)).toEqual(info);
    }),
  );
});

test('a third of a long life is left for renewal, half of a short one', () => {
  const share = (days: number): number => {
    const subject = certificate(days);
    return (subject.notAfter.getTime() - renewalInfo(subject).start.getTime()) / (days * 86_400_000);
  };
  expect(Math.abs(share(90) - 1 / 3)).toBeLessThan(0.03);
  expect(Math.abs(share(6) - 1 / 2)).toBeLessThan(0.03);
});

test('what is urgent has its whole window before the certificate, and says why', () => {
  const info = renewalInfo(certificate(90, { urgent: true, website: 'https://example.com/incident' }));
  expect(info.end.getTime()).toBeLessThanOrEqual(certificate(90).notBefore.getTime());
  expect(info.end.getTime()).toBeGreaterThan(info.start.getTime());
  expect(info.explanationUrl).toBe('https://example.com/incident');
});
