import { existsSync, readdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { api, until } from '../platform.ts';
import { judge, served } from '../lifecycle/agent-host.ts';
import { makeSite, type Site } from '../lifecycle/site.ts';
import { nginxHost, type NginxHost } from './nginx-host.ts';

let nginx: NginxHost;
let site: Site;
// What is waited for is waited for patiently: 60 s and more each.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });
beforeAll(async () => {
  nginx = await nginxHost();
  site = await makeSite({ server: nginx });
});
afterAll(() => site.stop());

const files = (...below: readonly string[]): readonly string[] => {
  const folder = join(site.host.stateDir, ...below);
  return existsSync(folder) ? readdirSync(folder) : [];
};

/** Everything is in place again, nothing is left over, and nobody who came to the site was ever turned away. */
async function endedWell(before: Record<string, unknown>, watching: ReturnType<typeof judge>): Promise<void> {
  const next = await site.host.start();
  await site.retriesDue();
  const after = await site.deployed(before['serial']);
  await until('its report is taken', () => files('spool').length === 0 || undefined);
  await watching.stop();
  expect(watching.failures).toEqual([]);
  // nginx’s former workers take connections too, until a moment after the new ones began.
  await until('everybody is served the new certificate', async () =>
    (await served(nginx, site.platform.ca)).serial === after['serial'] ? true : undefined,
  );
  expect([files('jobs'), files('journal')]).toEqual([[], []]);
  expect(files('keys', site.certificate)).toEqual(['current.key', 'previous.key']);
  expect(readdirSync(nginx.files).filter((name) => name.includes('certctl-tmp'))).toEqual([]);
  expect(await next.end('SIGTERM')).toBe(0);
}

/** An agent is killed when it says that it has come to a step of a deployment; the next one ends what it left. */
async function killedAt(step: string, prepare: () => void = () => undefined): Promise<void> {
  const before = await site.deployed();
  const watching = judge(nginx, site.platform.ca);
  prepare();
  const agent = await site.host.start();
  const reached = agent.line((line) => line['message'] === 'step' && line['step'] === step);
  await site.renewalDue();
  await reached;
  await agent.end('SIGKILL');
  await endedWell(before, watching);
}

test.each(['stage', 'check_staged', 'commit', 'check', 'reload', 'verify', 'settle'])(
  'given an agent that is killed at the step %s, nginx never serves a broken pair, and the next agent finishes',
  (step) => killedAt(step),
);

test.each(['restore', 'reload_restored'])(
  'given an agent that is killed at the step %s of a rollback, the next one ends it, and the renewal comes again',
  (step) => killedAt(step, () => nginx.failReloads(1)),
);

test.each(['key', 'csr'])('given an agent that is killed when its %s has just been made, one version comes of it', async (made) => {
  const before = await site.deployed();
  const watching = judge(nginx, site.platform.ca);
  const agent = await site.host.start();
  const folder = join(site.host.stateDir, 'keys', site.certificate);
  const written = new Promise<void>((resolve) => {
    const watcher = watch(folder, (_event, name) => {
      if (name?.startsWith('job-') !== true || !name.endsWith(`.${made}`)) return;
      agent.process.kill('SIGKILL');
      watcher.close();
      resolve();
    });
  });
  await site.renewalDue();
  await written;
  await agent.end('SIGKILL');
  await endedWell(before, watching);
  const { items } = (await api(site.platform, 'GET', `/api/v1/certificates/${site.certificate}/versions`)).json() as {
    items: readonly { readonly serial: string }[];
  };
  expect(items.findIndex(({ serial }) => serial === before['serial'])).toBe(1);
});

test('given an agent that is killed when its CSR was handed in, it deploys what was signed meanwhile', async () => {
  const before = await site.deployed();
  const watching = judge(nginx, site.platform.ca);
  const agent = await site.host.start();
  const handedIn = agent.line((line) => line['message'] === 'job' && line['type'] === 'csr');
  await site.renewalDue();
  await handedIn;
  await agent.end('SIGKILL');
  await until('it is signed', async () => ((await site.get())['serial'] === before['serial'] ? undefined : true));
  await endedWell(before, watching);
});
