import { expect, test } from 'vitest';
import type { AcmePorts } from '#domain/acme/ports.ts';
import { CaError } from '#domain/error.ts';
import type { HttpRequest } from '../shared/http.ts';
import type { AcmeContext } from './call.ts';
import { serveAcme } from './routes.ts';

const context = (overrides: Partial<AcmeContext>): AcmeContext => ({
  // Whoever touches a port in these tests has gone too far.
  ports: {} as AcmePorts,
  cache: { entries: new Map(), size: 1 },
  enabled: true,
  defaultProfile: 'default',
  renewalInfo: true,
  ...overrides,
});
const get = (path: string, method = 'GET'): HttpRequest => ({
  method,
  path,
  query: '',
  headers: {},
  body: Buffer.alloc(0),
  sourceIp: '192.0.2.1',
  requestId: 'r',
  allowances: [],
});
const codeOf = async (answer: Promise<unknown>): Promise<string> => {
  try {
    await answer;
  } catch (error) {
    if (error instanceof CaError) return error.code;
    throw error;
  }
  return 'none';
};

test.each([
  '/acme/directory',
  '/acme/new-nonce',
  '/acme/profile/default/new-order',
  '/acme/profile/default/renewal-info/x',
  '/acme/nothing',
])('given a server that is switched off, %s is not found', async (path) => {
  for (const method of ['GET', 'POST', 'HEAD', 'OPTIONS'])
    expect(await codeOf(serveAcme(context({ enabled: false }), get(path, method)))).toBe('notFound');
});

test('given no default profile, the shorthand asks the user to name one', async () => {
  expect(await codeOf(serveAcme(context({ defaultProfile: undefined }), get('/acme/directory')))).toBe('userActionRequired');
});
