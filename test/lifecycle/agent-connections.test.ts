import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, expect, test } from 'vitest';
import { heartbeat } from '#contract/agent-protocol.ts';
import { exchange, openConnections, type Said } from '../../clients/agent/exchange.ts';
import { newIdentityKey } from '../../clients/agent/identity.ts';
import { jsonLog } from '../../clients/agent/log.ts';
import { connectPlatform } from '../../clients/agent/platform.ts';
import { run } from '../../clients/agent/run.ts';
import { readSettings } from '../../clients/agent/settings.ts';
import { closingFront, frontCa as ca, order, type Came, type Manner } from '../closing-front.ts';
import { until } from '../platform.ts';
import { hostFacts } from '../../clients/agent/host-facts.ts';

const pace = { next_poll_seconds: 0, next_heartbeat_seconds: 600, server_time: new Date().toISOString() };
const answerOf = (path: string): object => (path.endsWith('/work') ? { jobs: [], ...pace } : pace);
const front = (manner: (came: Came) => Manner) => closingFront(manner, answerOf);
const given = { params: { id: 'agent-1' }, body: hostFacts(null) };
const connected = (url: string) => {
  const platform = connectPlatform({ server: url, ca, keyId: 'agent-1', key: newIdentityKey() });
  onTestFinished(() => platform.close());
  return platform;
};

test('given a front that closes an idle connection just as the next request comes, the request is signed anew and sent once more on a new one', async () => {
  const { url, came } = await front(({ nth }) => (nth === 1 ? 'answer' : 'reset'));
  const platform = connected(url);
  for (let n = 0; n < 3; n++) expect(await platform.call(heartbeat, given)).toEqual(pace);
  expect(order(came)).toEqual(['1.1', '1.2', '2.1', '3.1']);
  expect(came[1]!.signature).not.toBe(came[2]!.signature);
});

test('given a front that closes a connection before its first answer, or in the middle of one, nothing is sent again: that is no idle connection', async () => {
  const fresh = await front(() => 'reset');
  await expect(connected(fresh.url).call(heartbeat, given)).rejects.toMatchObject({ code: 'unreachable' });
  expect(order(fresh.came)).toEqual(['1.1']);
  const broken = await front(({ nth }) => (nth === 1 ? 'answer' : 'reset in the answer'));
  const platform = connected(broken.url);
  await platform.call(heartbeat, given);
  await expect(platform.call(heartbeat, given)).rejects.toMatchObject({ code: 'unreachable' });
  expect(order(broken.came)).toEqual(['1.1', '1.2']);
});

test('given a front that closes the new connection too, the request has failed', async () => {
  const { url, came } = await front(({ path, nth }) => (path === '/first' && nth === 1 ? 'answer' : 'reset'));
  const connections = openConnections({ ca, maxSockets: 4 });
  onTestFinished(() => connections.close());
  const say = (path: string) => (): Said => ({ method: 'GET', url: new URL(path, url), headers: {}, body: Buffer.alloc(0) });
  await exchange(connections, 5000, say('/first'));
  await expect(exchange(connections, 5000, say('/second'))).rejects.toMatchObject({ code: 'ECONNRESET' });
  expect(order(came)).toEqual(['1.1', '1.2', '2.1']);
});

test('given a connection that idles, the agent closes it before the front would', async () => {
  const { url, closed } = await front(() => 'answer');
  const connections = openConnections({ ca, maxSockets: 4, idleMs: 50 });
  onTestFinished(() => connections.close());
  await exchange(connections, 5000, () => ({ method: 'GET', url: new URL(url), headers: {}, body: Buffer.alloc(0) }));
  await until('the agent has closed it', () => Promise.resolve(closed() === 1 || undefined));
  // Application Load Balancers close after 60 s, and the front of this platform after 75.
  expect(openConnections({ ca, maxSockets: 4 }).kept.options.timeout).toBeLessThan(60_000);
});

/** A proxy that tunnels, or says no. */
async function proxy(refusal?: string): Promise<{ readonly url: string; readonly asked: string[] }> {
  const asked: string[] = [];
  const server = http.createServer((_, response) => response.writeHead(405).end());
  server.on('connect', ({ url = '', headers }, client: net.Socket) => {
    asked.push(`${url} ${headers['proxy-authorization'] ?? '-'}`);
    if (refusal !== undefined) return void client.end(`HTTP/1.1 ${refusal}\r\n\r\n`);
    const { hostname, port } = new URL(`https://${url}`);
    const upstream = net.connect(Number(port), hostname, () => client.write('HTTP/1.1 200 Connection established\r\n\r\n'));
    upstream.pipe(client).pipe(upstream);
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { url: `http://agent:secret@127.0.0.1:${(server.address() as net.AddressInfo).port}`, asked };
}

const through = async (url: string, environment: NodeJS.ProcessEnv): Promise<number> => {
  const connections = openConnections({ ca, maxSockets: 4, environment });
  onTestFinished(() => connections.close());
  const say = (): Said => ({ method: 'GET', url: new URL(url), headers: {}, body: Buffer.alloc(0) });
  await exchange(connections, 5000, say);
  return (await exchange(connections, 5000, say)).status;
};

test('given HTTPS_PROXY, the platform is reached through a tunnel of it, one for many requests, and is proven by the pinned authority still', async () => {
  const { url, came } = await front(() => 'answer');
  const { url: way, asked } = await proxy();
  expect(await through(url, { HTTPS_PROXY: way })).toBe(200);
  expect([asked, order(came)]).toEqual([[`${new URL(url).host} Basic ${btoa('agent:secret')}`], ['1.1', '1.2']]);
  const connections = openConnections({ ca: null, maxSockets: 4, environment: { HTTPS_PROXY: way } });
  onTestFinished(() => connections.close());
  const unknown = exchange(connections, 5000, () => ({ method: 'GET', url: new URL(url), headers: {}, body: Buffer.alloc(0) }));
  await expect(unknown).rejects.toMatchObject({ code: expect.stringMatching(/SELF_SIGNED|UNABLE_TO/) as string });
});

test('given NO_PROXY with the name of the platform, or no variable, it is reached directly', async () => {
  const { url } = await front(() => 'answer');
  const { url: way, asked } = await proxy();
  expect(await through(url, { HTTPS_PROXY: way, NO_PROXY: new URL(url).hostname })).toBe(200);
  expect(await through(url, {})).toBe(200);
  expect(asked).toEqual([]);
});

test('given a proxy that refuses, the error says so, without its password', async () => {
  const { url } = await front(() => 'answer');
  const { url: way } = await proxy('407 Proxy Authentication Required');
  const error = await through(url, { HTTPS_PROXY: way }).catch((cause: unknown) => cause as Error);
  expect(String(error)).toMatch(/407/);
  expect(String(error)).not.toContain('secret');
});

test('given a claim of work that is sent twice, the second and the next say what the agent is at: what the first was given comes again', async () => {
  const polls = (): Came[] => came.filter(({ path }) => path.endsWith('/work'));
  const { url, came } = await front(({ nth, path }) => (path.endsWith('/work') && nth > 1 && polls().length === 3 ? 'reset' : 'answer'));
  const folder = mkdtempSync(join(tmpdir(), 'agent-connections-'));
  const stop = new AbortController();
  const identity = { agent_id: 'agent-1', name: 'one', server: url, ca, key: newIdentityKey() };
  const ended = run(
    readSettings({ 'state-dir': folder }, {}),
    identity,
    jsonLog('error', () => undefined),
    stop.signal,
  );
  onTestFinished(async () => {
    stop.abort();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });
  await until('it has asked six times', () => Promise.resolve(polls().length >= 6 || undefined));
  expect(
    polls()
      .slice(0, 6)
      .map(({ body }) => (JSON.parse(body) as { holding?: string[] }).holding),
  ).toEqual([[], undefined, undefined, [], [], undefined]);
});
