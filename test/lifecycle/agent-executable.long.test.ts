import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root } from '../platform.ts';
import { served } from './agent-host.ts';
import { makeSite, type Site } from './site.ts';

let site: Site;
beforeAll(async () => {
  site = await makeSite({ without: 'node' });
});
afterAll(() => site.stop());

test('given a host without Node, the agent as one executable enrols, deploys, renews, and takes at most 80 MB', async () => {
  expect(site.host.program('status').out).toContain('web-1');
  const before = await site.deployed();
  const agent = await site.host.start();
  await site.renewalDue();
  const after = await site.deployed(before['serial']);
  expect((await served(site.host.server, site.platform.ca)).serial).toBe(after['serial']);
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${agent.process.pid}/status`, 'utf8'))?.[1]) / 1024;
  console.log(`the executable takes ${rss.toFixed(0)} MiB`);
  expect(rss).toBeLessThan(80);
  expect(await agent.end('SIGTERM')).toBe(0);
  const { code, out } = site.host.program('dance');
  expect([code, out]).toEqual([2, 'certctl-agent: dance: enrol, run or status\n']);
});

test('given the installer, an executable and a host without Node, it is installed and runs', () => {
  const destination = mkdtempSync(join(tmpdir(), 'agent-root-'));
  try {
    const env = { DESTDIR: destination, PATH: '/usr/bin:/bin' };
    const executable = join(site.host.folder, 'certctl-agent');
    expect(execFileSync('sh', [join(root, 'clients/agent/install.sh'), executable], { env, encoding: 'utf8' })).toContain('enrol');
    const installed = join(destination, 'usr/local/bin/certctl-agent');
    expect(execFileSync(installed, ['--version'], { env: { PATH: '/nowhere' }, encoding: 'utf8' })).toMatch(/^\d/);
  } finally {
    rmSync(destination, { recursive: true, force: true });
  }
});
