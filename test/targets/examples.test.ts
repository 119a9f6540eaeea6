import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { freePort } from '#infra/local/free-port.ts';
import { succeed } from '../interop/tool.ts';
import { api, root, startPlatform, type Platform } from '../platform.ts';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform({ args: ['--config', JSON.stringify({ agents: { pollSeconds: 1 } })] });
});
afterAll(() => platform.stop());

test.each(['nginx', 'haproxy'])(
  'given a platform, the example of %s gets a certificate, renews it, and leaves no agent behind',
  async (name) => {
    const env = { CERTCTL_HOME: platform.home, CERTCTL_PORT: new URL(platform.url).port, PORT: String(await freePort()) };
    const output = await succeed('bash', [join(root, 'docs/examples', name, 'run.sh')], env);
    const serials = [...output.matchAll(/serves serial=([0-9A-F]+)/g)].map(([, serial]) => serial);
    expect(new Set(serials).size).toBe(2);
    const { items } = (await api(platform, 'GET', '/api/v1/agents')).json() as { items: readonly { readonly retired_at: string | null }[] };
    expect(items.filter(({ retired_at }) => retired_at === null)).toEqual([]);
  },
);
