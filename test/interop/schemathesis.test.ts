import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPlatform, type Platform } from '../platform.ts';
import { has, run } from './tool.ts';

let platform: Platform;
beforeAll(async () => {
  // Thousands of requests, most of them wrong on purpose, come from one address.
  const off = { LIMIT_API_REQUESTS_PER_SECOND_PER_ADDRESS: '0', LIMIT_API_REQUESTS_PER_SECOND_PER_PRINCIPAL: '0' };
  platform = await startPlatform({ env: { ...off, LIMIT_FAILED_AUTHENTICATIONS_PER_HOUR: '1000000' } });
});
afterAll(() => platform.stop());

// What cannot be said in a schema may be refused all the same (400, 422), so that valid data need not be accepted.
const checks = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_schema_conformance',
  'negative_data_rejection',
  'ignored_auth',
  'unsupported_method',
  'allow_header_conformance',
  'response_headers_conformance',
  'use_after_free',
  'ensure_resource_availability',
];

test.skipIf(!has('schemathesis'))(
  'what the OpenAPI document says is what the control plane does, with right and with wrong requests',
  async () => {
    const { status, output } = await run('schemathesis', [
      ...[
        'run',
        `${platform.url}/api/v1/openapi.json`,
        '--no-color',
        '--seed',
        '20261125',
        '--max-examples',
        '20',
        '--checks',
        checks.join(','),
      ],
      ...['-H', `Authorization: Bearer ${platform.token}`, '--tls-verify', join(platform.home, 'ca.pem')],
      // These could end the very key that asks.
      ...['--exclude-operation-id', 'deleteApiKey', '--exclude-operation-id', 'rotateApiKey'],
    ]);
    expect(status === 0 ? '' : output.slice(0, 20_000)).toBe('');
  },
  // A hundred routes and more.
  900_000,
);
