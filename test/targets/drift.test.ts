import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, startPlatform, until, type Platform } from '../platform.ts';
import { enrol } from '../../clients/agent/enrol.ts';
import { run } from '../../clients/agent/run.ts';
import type { AgentSettings } from '../../clients/agent/settings.ts';
import { makeToken } from '../lifecycle/signed-agent.ts';
import type { Command } from '#connectors/targets/command.ts';
import { serves, type Daemon } from './daemon.ts';
import { issued, serverName } from './issued.ts';
import { startNginx } from './nginx-server.ts';

let platform: Platform;
let nginx: Daemon;
let target = '';
const stop = new AbortController();
let ended: Promise<unknown> | undefined;
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

beforeAll(async () => {
  platform = await startPlatform({ args: ['--config', JSON.stringify({ agents: { pollSeconds: 1, heartbeatSeconds: 2 } })] });
  nginx = (await startNginx()).daemon;
  writeFileSync(join(nginx.home, 'ca.pem'), platform.ca);
  const settings: AgentSettings = {
    server: platform.url,
    ca_file: join(nginx.home, 'ca.pem'),
    name: 'nginx-1',
    state_dir: nginx.rules.stateDir,
    allowed_paths: [...nginx.rules.allowedPaths],
    allowed_commands: nginx.rules.allowedCommands.map((command) => [...command]),
    backup_retention: 3,
    discovery_dirs: [],
    discovery_exclude: [],
    discovery_passwords: [],
    max_concurrent_deploys: 4,
    log_level: 'error',
  };
  const identity = await enrol(settings, (await makeToken(platform)).token, false);
  ended = run(settings, identity, quiet, stop.signal);
  // A pair to begin with, as its operator would make it.
  replaceByHand();
  await nginx.enableTls();
  reload();
  const answer = await api(platform, 'POST', '/api/v1/targets', {
    name: 'nginx',
    type: 'nginx',
    agent: identity.agent_id,
    config: nginx.config,
  });
  target = answer.json()['id'] as string;
  const order = await api(platform, 'POST', '/api/v1/certificates', { name: 'site', names: [serverName], targets: [target] });
  expect([answer.status, order.status]).toEqual([201, 202]);
  await outcome('in_sync');
});
afterAll(async () => {
  stop.abort();
  await ended;
  await nginx.stop();
  await platform.stop();
});

const shown = async (): Promise<Record<string, unknown>> => (await api(platform, 'GET', `/api/v1/targets/${target}`)).json();
const deployments = async (): Promise<{ reason: string; status: string }[]> =>
  (await api(platform, 'GET', `/api/v1/deployments?target=${target}`)).json()['items'] as never;
const outcome = (wanted: string, since = 0): Promise<Record<string, unknown>> =>
  until(
    `the target is ${wanted}`,
    async () => {
      const seen = (await shown())['inspection'] as Record<string, unknown>;
      return seen['outcome'] === wanted && Date.parse(String(seen['at'])) > since ? seen : undefined;
    },
    60,
  );
const certPath = (): string => nginx.certFiles[0]!;
const keyPath = (): string => nginx.keyFiles[0]!;

function reload(): void {
  const [program, ...args] = nginx.config['reload_command'] as Command;
  expect(spawnSync(program!, args).status).toBe(0);
}

/** What somebody does who knows nothing of agents. @returns the fingerprint */
function replaceByHand(): string {
  const { leafPem, privateKeyPem, fingerprint } = issued();
  writeFileSync(certPath(), leafPem);
  writeFileSync(keyPath(), privateKeyPem, { mode: 0o600 });
  return fingerprint;
}

async function setPolicy(on_drift: string): Promise<void> {
  const { version, config } = await shown();
  const answer = await api(
    platform,
    'PUT',
    `/api/v1/targets/${target}`,
    { name: 'nginx', config, on_drift },
    { 'if-match': `"v${String(version)}"` },
  );
  expect(answer.status).toBe(200);
}

test('given somebody who swaps the certificate of nginx, it is told under the policy report, and put right under the policy repair', async () => {
  await setPolicy('report');
  const ours = String((await outcome('in_sync'))['expected_fingerprint']);
  const theirs = replaceByHand();
  reload();
  await until('nginx serves it', async () => ((await serves(nginx)) === theirs ? true : undefined));
  expect((await api(platform, 'POST', `/api/v1/targets/${target}/test`)).status).toBe(202);
  expect(await outcome('drifted')).toMatchObject({
    expected_fingerprint: ours,
    observed_fingerprint: theirs,
    observed_source: 'served',
    ready: true,
  });
  expect((await deployments()).filter(({ reason }) => reason === 'repair')).toEqual([]);
  expect(await serves(nginx)).toBe(theirs);
  await setPolicy('repair');
  expect(await outcome('in_sync')).toMatchObject({ observed_fingerprint: ours, drifted_since: null });
  expect(await serves(nginx)).toBe(ours);
  expect((await deployments()).filter(({ reason }) => reason === 'repair')).toMatchObject([{ status: 'completed' }]);
});

test('given an nginx that does not listen, it is called unreachable and not repaired', async () => {
  await setPolicy('repair');
  await outcome('in_sync');
  const site = join(nginx.home, 'site.conf');
  copyFileSync(site, `${site}.away`);
  writeFileSync(site, '');
  reload();
  await until('nothing answers', async () => (/^[0-9a-f]{64}$/.test(await serves(nginx)) ? undefined : true));
  const before = (await deployments()).length;
  expect((await api(platform, 'POST', `/api/v1/targets/${target}/test`)).status).toBe(202);
  expect((await outcome('unreachable'))['detail']).toMatch(/^no TLS handshake with 127\.0\.0\.1:\d+: ECONNREFUSED$/);
  expect(await deployments()).toHaveLength(before);
  writeFileSync(site, readFileSync(`${site}.away`));
  reload();
  await until('nginx answers', async () => (/^[0-9a-f]{64}$/.test(await serves(nginx)) ? true : undefined));
  expect((await api(platform, 'POST', `/api/v1/targets/${target}/test`)).status).toBe(202);
  await outcome('in_sync');
});
