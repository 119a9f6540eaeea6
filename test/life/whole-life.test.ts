import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { agentFlags, buildAgent } from '../../clients/agent/build.ts';
import { judge } from '../lifecycle/agent-host.ts';
import { makeToken } from '../lifecycle/signed-agent.ts';
import { api, startPlatform, until, type Platform } from '../platform.ts';
import type { Subject } from '../targets/cases.ts';
import { startHaproxy } from '../targets/haproxy-server.ts';
import { serverName } from '../targets/issued.ts';
import { startNginx } from '../targets/nginx-server.ts';

// Renewals that each server must see; fewer for a look at whether the lane itself works.
const renewals = Number(process.env['LIFE_RENEWALS'] ?? 5);
const minutes = 25;

const folder = mkdtempSync(join(tmpdir(), 'certctl-life-'));
let platform: Platform;
let servers: readonly Subject[];
let agent: ChildProcess | undefined;

beforeAll(async () => {
  platform = await startPlatform({ args: ['--config', JSON.stringify({ agents: { pollSeconds: 10 } })] });
  servers = [await startNginx(), await startHaproxy()];
});
afterAll(async () => {
  agent?.kill('SIGKILL');
  for (const { daemon } of servers) await daemon.stop();
  await platform.stop();
  rmSync(folder, { recursive: true, force: true });
});

test(`given certificates of six minutes on nginx and HAProxy, each renews itself ${renewals} times with nobody acting, and every connection is served`, async () => {
  const program = join(folder, 'certctl-agent.mjs');
  const settings = join(folder, 'config.yaml');
  await buildAgent(program);
  writeFileSync(join(folder, 'ca.pem'), platform.ca);
  writeFileSync(join(folder, 'token'), (await makeToken(platform)).token);
  const rules = servers.map(({ daemon }) => daemon.rules);
  writeFileSync(
    settings,
    JSON.stringify({
      server: platform.url,
      ca_file: join(folder, 'ca.pem'),
      name: 'life',
      state_dir: join(folder, 'state'),
      allowed_paths: rules.flatMap(({ allowedPaths }) => allowedPaths),
      allowed_commands: rules.flatMap(({ allowedCommands }) => allowedCommands),
    }),
  );
  const enrolled = execFileSync(process.execPath, [program, 'enrol', '--config', settings, '--token-file', join(folder, 'token')], {
    encoding: 'utf8',
  });
  const agentId = /as (agent-[0-9a-f]+)/.exec(enrolled)?.[1];
  agent = spawn(process.execPath, [...agentFlags, program, 'run', '--config', settings], { stdio: ['ignore', 'ignore', 'inherit'] });
  const profile = { id: 'six-minutes', name: 'Six minutes', validity_seconds: 360 };
  expect((await api(platform, 'POST', '/api/v1/profiles', profile)).status).toBe(201);

  const sites = await Promise.all(
    servers.map(async ({ daemon }) => {
      await daemon.enableTls();
      const target = { name: daemon.targetType, type: daemon.targetType, agent: agentId, config: daemon.config };
      const { id } = (await api(platform, 'POST', '/api/v1/targets', target)).json() as { id: string };
      const order = { name: daemon.targetType, profile: 'six-minutes', names: [serverName], targets: [id] };
      const { certificate } = (await api(platform, 'POST', '/api/v1/certificates', order)).json() as { certificate: { id: string } };
      const get = async () => (await api(platform, 'GET', `/api/v1/certificates/${certificate.id}`)).json();
      await until(`${daemon.targetType} serves it`, async () => ((await get())['deployment'] === 'verified' ? true : undefined), 90);
      const { port } = (daemon.config as { verify: { port: number } }).verify;
      return { name: daemon.targetType, get, watching: judge({ address: '127.0.0.1', port, name: serverName }, platform.ca) };
    }),
  );
  await until(
    `each server saw ${renewals} renewals`,
    async () => {
      // Somebody looks at the platform all the while.
      await Promise.all(sites.map(({ get }) => get()));
      return sites.every(({ watching }) => watching.serials.size > renewals) ? true : undefined;
    },
    minutes * 60,
  );
  for (const { name, watching } of sites) {
    await watching.stop();
    console.log(`${name}: ${watching.serials.size - 1} renewals, ${watching.failures.length} failed connections`);
    expect([name, watching.failures]).toEqual([name, []]);
  }
});
