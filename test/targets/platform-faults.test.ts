import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { judge, served, type AgentProcess } from '../lifecycle/agent-host.ts';
import { makeSite, type Site } from '../lifecycle/site.ts';
import { until } from '../platform.ts';
import { childrenOf } from '../process-tree.ts';
import { ended } from './daemon.ts';
import { makeNamespace, type NetworkNamespace } from './network-namespace.ts';
import { nginxHost, type NginxHost } from './nginx-host.ts';

// What is waited for is waited for patiently: 60 s and more each.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

// A host with a network of its own, where that can be made; else one that shares ours.
const isRoot = process.getuid?.() === 0;
let network: NetworkNamespace | undefined;
let nginx: NginxHost;
let site: Site;
let agent: AgentProcess;
let watching: ReturnType<typeof judge>;
let before: Record<string, unknown>;
beforeAll(async () => {
  network = isRoot ? makeNamespace() : undefined;
  nginx = await nginxHost(network);
  site = await makeSite({ server: nginx, ...(network && { connect: network.forward }) });
});
afterAll(async () => {
  await site.stop();
  await network?.remove();
});
beforeEach(async () => {
  before = await site.deployed();
  watching = judge(nginx, site.platform.ca);
  agent = await site.host.start();
});
// Whatever happened to the platform, nobody who came to the site was turned away, and the agent lives on.
afterEach(async () => {
  expect(await agent.end('SIGTERM')).toBe(0);
  await watching.stop();
  expect(watching.failures).toEqual([]);
});

const spooled = (): readonly string[] => readdirSync(join(site.host.stateDir, 'spool'));
const endsRight = async (): Promise<void> => {
  const { serial } = await site.deployed(before['serial']);
  // nginx’s former workers take connections too, until a moment after the new ones began.
  await until('everybody is served the new certificate', async () =>
    (await served(nginx, site.platform.ca)).serial === serial ? true : undefined,
  );
  await until('every report is taken', () => spooled().length === 0 || undefined);
};
const servesNew = (): Promise<true> =>
  until('nginx serves the new one', async () => (await served(nginx, site.platform.ca)).serial !== before['serial'] || undefined);

test.each([
  ['the agent is asked for a key', undefined],
  ['the CSR was handed in', { message: 'job', type: 'csr' }],
  ['nginx is told', { message: 'step', step: 'reload' }],
])('given a platform that is killed with all its processes when %s, it goes on where it was when it is back', async (_, moment) => {
  const come = moment && agent.line((line) => Object.entries(moment).every(([key, value]) => line[key] === value));
  await site.renewalDue();
  await come;
  const again = await site.crash();
  await agent.line(({ level, message }) => level === 'error' && String(message).endsWith('failed'));
  await again();
  await endsRight();
});

test('given a database that is restarted during a renewal, the renewal goes on when it is back', async () => {
  const come = agent.line(({ message }) => message === 'job');
  await site.renewalDue();
  await come;
  const { postgres } = site.platform.instance;
  const [command = '', ...args] = readFileSync(`/proc/${postgres}/cmdline`, 'utf8').split('\0').slice(0, -1);
  const status = readFileSync(`/proc/${postgres}/status`, 'utf8');
  const [uid, gid] = ['Uid', 'Gid'].map((name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]));
  const children = childrenOf(postgres);
  // Immediately: whoever was at something must find out by himself.
  process.kill(postgres, 'SIGQUIT');
  await until('the database is gone', () => (children.every((pid) => !isAlive(pid)) && !isAlive(postgres)) || undefined);
  const next = spawn(command, args, {
    cwd: '/',
    ...(isRoot && { uid, gid }),
    env: { LC_ALL: 'C', PATH: '/usr/bin:/bin', TZ: 'UTC' },
    stdio: 'ignore',
  });
  try {
    await endsRight();
  } finally {
    // As it was found: the platform has only the first to end.
    const again = await site.crash();
    await ended(next);
    await again();
  }
});

test.skipIf(!isRoot)(
  'given a network that is cut between agent and platform, nginx gets what was under way, and the platform hears of it when it is whole',
  async () => {
    const reload = agent.line(({ message, step }) => message === 'step' && step === 'reload');
    await site.renewalDue();
    await reload;
    network!.cable('down');
    await servesNew();
    await until('the report waits on the disk', () => spooled().length > 0 || undefined);
    expect((await site.get())['deployment']).toBe('pending');
    network!.cable('up');
    await endsRight();
  },
);

test.skipIf(!isRoot)(
  'given a network that is cut before the agent heard of a renewal, the old certificate is served until it is whole',
  async () => {
    network!.cable('down');
    await site.renewalDue();
    await agent.line(({ message }) => message === 'poll failed');
    expect((await served(nginx, site.platform.ca)).serial).toBe(before['serial']);
    network!.cable('up');
    await endsRight();
  },
);

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
