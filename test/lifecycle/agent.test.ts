import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, rowsOf, until } from '../platform.ts';
import { agentHost, judge, served } from './agent-host.ts';
import { nodeServer } from './host-server.ts';
import { makeSite, type Site } from './site.ts';

let site: Site;
beforeAll(async () => {
  site = await makeSite();
});
afterAll(() => site.stop());

test('given an enrolled host, when a certificate is ordered for its server, then the server serves it, and the key never left the host', async () => {
  expect(site.host.program('status').out).toContain('web-1');
  const { serial } = await site.deployed();
  const agent = await site.host.start();
  const seen = await served(site.host.server, site.platform.ca);
  expect(seen.serial).toBe(serial);
  const key = readFileSync(site.host.server.keyPath, 'utf8');
  expect(key).toContain('PRIVATE KEY');
  const kept = readFileSync(join(site.host.stateDir, 'keys', site.certificate, 'current.key'), 'utf8');
  expect(kept.replace(/\s/g, '')).toBe(key.replace(/\s/g, ''));
  for (const file of ['identity.json', join('keys', site.certificate, 'current.key')])
    expect([file, statSync(join(site.host.stateDir, file)).mode & 0o777]).toEqual([file, 0o600]);
  const body = key.split('\n')[1]!;
  expect(site.platform.output()).not.toContain(body);
  const rows = await rowsOf(
    site.platform,
    `SELECT (SELECT jsonb_agg(j) FROM jobs j)::text || (SELECT jsonb_agg(d) FROM deployments d)::text AS all_of_it`,
  );
  expect(JSON.stringify(rows)).not.toContain(body);
  expect(JSON.stringify(agent.lines())).not.toContain(body);
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${agent.process.pid}/status`, 'utf8'))?.[1]) / 1024;
  console.log(`the agent takes ${rss.toFixed(0)} MiB`);
  expect(rss).toBeLessThan(80);
  expect(await agent.end('SIGTERM')).toBe(0);
});

test('given a renewal that is due, the server gets a new certificate with a new key, and no connection fails meanwhile', async () => {
  const agent = await site.host.start();
  const before = await site.deployed();
  const old = await served(site.host.server, site.platform.ca);
  const watching = judge(site.host.server, site.platform.ca);
  await site.renewalDue();
  await site.deployed(before['serial']);
  await watching.stop();
  const now = await served(site.host.server, site.platform.ca);
  expect(now.serial).not.toBe(old.serial);
  expect(now.publicKey).not.toBe(old.publicKey);
  expect([watching.failures, watching.serials.size]).toEqual([[], 2]);
  const keys = readdirSync(join(site.host.stateDir, 'keys', site.certificate)).sort();
  expect(keys).toEqual(['current.key', 'previous.key']);
  expect(await agent.end('SIGTERM')).toBe(0);
});

test('given a command that the host does not allow, nothing is deployed, whatever the platform says', async () => {
  const agent = await site.host.start();
  const target = await site.host.target(site.platform, 'other-command', { reload_command: ['/bin/sh', '-c', 'touch /tmp/pwned'] });
  const answer = await api(site.platform, 'POST', '/api/v1/certificates', { name: 'refused-site', names: [site.name], targets: [target] });
  const { id } = answer.json()['certificate'] as { id: string };
  const failed = await until(
    'it failed',
    async () => {
      const now = (await api(site.platform, 'GET', `/api/v1/certificates/${id}`)).json();
      return now['deployment'] === 'failed' ? now : undefined;
    },
    60,
  );
  expect(failed['last_error']).toMatch(/^validate: this host does not allow the command/);
  expect(await agent.end('SIGTERM')).toBe(0);
});

test('given an agent that was retired, its program ends with 0, and its identity stays', async () => {
  const host = await agentHost(await nodeServer('leaving.example.com'));
  try {
    await host.enrol(site.platform, 'web-2');
    const agent = await host.start();
    const ended = new Promise<number | null>((resolve) => agent.process.once('exit', resolve));
    expect((await api(site.platform, 'POST', `/api/v1/agents/${host.agentId()}/retire`, {})).status).toBe(200);
    expect(await ended).toBe(0);
    expect(existsSync(join(host.stateDir, 'identity.json'))).toBe(true);
    expect(host.program('status')).toMatchObject({ code: 1, out: expect.stringContaining('the agent is retired') as string });
  } finally {
    await host.stop();
  }
});
