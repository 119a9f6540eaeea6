import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { prober } from '#adapters/lambda/prober.ts';
import type { Probe, ProbeResult } from '#domain/probe/probe.ts';

/** Lambda's own way to be invoked, and what each function answers. */
let lambda: http.Server;
let answers: Readonly<Record<string, ProbeResult>> = {};
let invoked: string[] = [];
beforeAll(async () => {
  lambda = http.createServer((request, response) => {
    const name = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/.exec(request.url ?? '')?.[1] ?? '';
    request.resume().on('end', () => {
      invoked.push(name);
      const answer = answers[name];
      if (answer === undefined) response.writeHead(404, { 'x-amzn-errortype': 'ResourceNotFoundException' }).end('{}');
      else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => lambda.listen(0, '127.0.0.1', resolve));
  for (const [name, value] of Object.entries({
    AWS_ENDPOINT_URL: `http://127.0.0.1:${(lambda.address() as AddressInfo).port}`,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'none',
    AWS_SECRET_ACCESS_KEY: 'none',
  }))
    vi.stubEnv(name, value);
});
afterAll(() => {
  vi.unstubAllEnvs();
  lambda.closeAllConnections();
  lambda.close();
});
beforeEach(() => (invoked = []));

const of = (type: 'dns' | 'ip', value: string): Probe => ({
  type: 'http-01',
  identifier: { type, value },
  token: 'x'.repeat(22),
  keyAuthorization: `${'x'.repeat(22)}.${'y'.repeat(43)}`,
  allowedCidrs: [],
});
const onlyIpv6: ProbeResult = { ok: false, code: 'dns', detail: 'only IPv6', final: false, onlyIpv6: true };

test('what the prober over IPv4 reaches is not asked of the other', async () => {
  answers = { four: { ok: true }, six: { ok: true } };
  expect(await prober('four', 'six')(of('dns', 'a.example'))).toEqual({ ok: true });
  expect(invoked).toEqual(['four']);
});

test('a name with IPv6 addresses alone, and an IPv6 address, are asked of the prober over IPv6', async () => {
  answers = { four: onlyIpv6, six: { ok: true } };
  expect(await prober('four', 'six')(of('dns', 'a.example'))).toEqual({ ok: true });
  expect(await prober('four', 'six')(of('ip', '2001:db8::1'))).toEqual({ ok: true });
  expect(invoked).toEqual(['four', 'six', 'six']);
});

test('another failure is final for both, and without a second prober the reason is told', async () => {
  const refused: ProbeResult = { ok: false, code: 'connection', detail: 'refused', final: false };
  answers = { four: refused, six: { ok: true } };
  expect(await prober('four', 'six')(of('dns', 'a.example'))).toEqual(refused);
  answers = { four: onlyIpv6 };
  expect(await prober('four')(of('dns', 'a.example'))).toEqual(onlyIpv6);
  expect(invoked).toEqual(['four', 'four']);
});
