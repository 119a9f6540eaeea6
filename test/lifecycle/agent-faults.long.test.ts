import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../platform.ts';
import { judge, served } from './agent-host.ts';
import { makeSite, type Site } from './site.ts';

let site: Site;
beforeAll(async () => {
  site = await makeSite();
});
afterAll(() => site.stop());

test.each(['stage', 'check_staged', 'commit', 'check', 'reload', 'verify', 'settle'])(
  'given an agent that is killed at the step %s, the server never serves a broken pair, and the next agent finishes',
  async (step) => {
    const before = await site.deployed();
    const watching = judge(site.host.port, site.name, site.platform.ca);
    const agent = await site.host.start();
    const reached = agent.line((line) => line['message'] === 'step' && line['step'] === step, 60);
    await site.renewalDue();
    await reached;
    await agent.end('SIGKILL');
    const next = await site.host.start();
    const after = await site.deployed(before['serial']);
    await watching.stop();
    expect(watching.failures).toEqual([]);
    expect((await served(site.host.port, site.name, site.platform.ca)).serial.replace(/^0+/, '')).toBe(after['serial']);
    expect(readdirSync(join(site.host.stateDir, 'jobs'))).toEqual([]);
    await until('its report is taken', () => (readdirSync(join(site.host.stateDir, 'spool')).length === 0 ? true : undefined));
    expect(await next.end('SIGTERM')).toBe(0);
  },
);

test('given a platform that cannot be reached, the agent waits, the server serves on, and the report that was lost comes when it is back', async () => {
  const before = await site.deployed();
  const agent = await site.host.start();
  const reached = agent.line((line) => line['message'] === 'step' && line['step'] === 'reload', 60);
  await site.renewalDue();
  await reached;
  // Nothing of the platform answers: as a cut network looks from the site.host.
  site.platform.process.kill('SIGSTOP');
  await until(
    'the report waits on the disk',
    () => (existsSync(join(site.host.stateDir, 'spool')) && readdirSync(join(site.host.stateDir, 'spool')).length > 0 ? true : undefined),
    60,
  );
  const now = await served(site.host.port, site.name, site.platform.ca);
  expect(now.serial.replace(/^0+/, '')).not.toBe(before['serial']);
  site.platform.process.kill('SIGCONT');
  await site.deployed(before['serial']);
  await until('the report is taken', () => (readdirSync(join(site.host.stateDir, 'spool')).length === 0 ? true : undefined), 60);
  expect(await agent.end('SIGTERM')).toBe(0);
});
