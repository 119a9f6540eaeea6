import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { certctl } from '../clients/command.ts';
import { api, startPlatform, until, type Platform } from '../platform.ts';
import { agentHost, served, type AgentHost, type AgentProcess } from './agent-host.ts';
import { callsTo } from './agent-jobs.ts';
import { nodeServer } from './host-server.ts';

let platform: Platform;
let first: AgentHost;
let second: AgentHost;
beforeAll(async () => {
  platform = await startPlatform();
  [first, second] = [await agentHost(await nodeServer('pair.example.com')), await agentHost(await nodeServer('pair.example.com'))];
  await first.enrol(platform, 'pair-1');
  await second.enrol(platform, 'pair-2');
});
afterAll(async () => {
  await first.stop();
  await second.stop();
  await platform.stop();
});

const { get, ordered } = callsTo(() => platform);
const shown = (host: AgentHost): ReturnType<typeof served> => served(host.server, platform.ca);
/** Starts the agents, which look for work at once, until it is in place everywhere. @returns what they said */
async function inPlace(id: string, unlike?: string): Promise<readonly (readonly Record<string, unknown>[])[]> {
  const agents: readonly AgentProcess[] = [await first.start(), await second.start()];
  await until('it is verified at all of its targets', async () => {
    const now = await get(id);
    return now['deployment'] === 'verified' && now['health'] === 'good' && now['serial'] !== unlike ? true : undefined;
  });
  await Promise.all(agents.map((agent) => agent.end('SIGTERM')));
  return agents.map((agent) => agent.lines().filter(({ message }) => message === 'job'));
}
const move = async (id: string, targets: readonly string[]): Promise<void> => {
  const { code, out, err } = await certctl(platform, ['certs', 'set-targets', id, '--if-match', 'any', '--targets', ...targets]);
  expect([code, err, out]).toEqual([0, '', expect.stringContaining(id)]);
};

test('given two hosts, a certificate goes to a second place on the one, to the other, away from the one, and back', async () => {
  const files = dirname(first.server.certPath);
  const [beside, key] = [join(files, 'beside.crt'), join(files, 'beside.key')];
  const server = await first.target(platform, 'server');
  const { id } = await ordered('pair', [server]);
  await inPlace(id);
  const begun = await shown(first);

  // A second place on the same host: the same key and certificate.
  const place = await first.target(platform, 'beside', { cert_path: beside, key_path: key, verify: 'off' });
  await move(id, [server, place]);
  await inPlace(id);
  expect(new X509Certificate(readFileSync(beside)).fingerprint256).toBe(
    new X509Certificate(readFileSync(first.server.certPath)).fingerprint256,
  );
  expect(readFileSync(key, 'utf8')).toBe(readFileSync(first.server.keyPath, 'utf8'));
  expect(await shown(first)).toEqual(begun);

  // A second host: a key of its own, and the first goes on as it is.
  const other = await second.target(platform, 'server');
  await move(id, [server, other]);
  await inPlace(id);
  expect(await shown(first)).toEqual(begun);
  const joined = await shown(second);
  expect([joined.serial === begun.serial, joined.publicKey === begun.publicKey]).toEqual([false, false]);
  // What lies where it was left out stays there.
  expect(new X509Certificate(readFileSync(beside)).fingerprint256).toBe(
    new X509Certificate(readFileSync(first.server.certPath)).fingerprint256,
  );

  // The first host is left out: only the other is renewed.
  await move(id, [other]);
  expect((await api(platform, 'POST', `/api/v1/certificates/${id}/renew`)).status).toBe(202);
  const [none, some] = await inPlace(id, joined.serial);
  expect([none!.length, some!.length]).toEqual([0, 2]);
  const renewed = await shown(second);
  expect(renewed.serial).not.toBe(joined.serial);
  expect(await shown(first)).toEqual(begun);

  // And back: the first makes another key.
  await move(id, [server, other]);
  await inPlace(id);
  const back = await shown(first);
  expect([back.serial === begun.serial, back.publicKey === begun.publicKey]).toEqual([false, false]);
  expect(await shown(second)).toEqual(renewed);
});
