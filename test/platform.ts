import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import https from 'node:https';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { limits, variableOf } from '#domain/limit/limits.ts';
import { compileCache } from '#infra/local/compile-cache.ts';
import { newHome } from './new-home.ts';

/** A platform as `npm start` runs it, on free ports and in a home of its own. */
export interface Platform {
  readonly url: string;
  readonly pkiUrl: string;
  readonly home: string;
  /** PEM */
  readonly ca: string;
  readonly token: string;
  readonly instance: Instance;
  readonly process: ChildProcess;
  /** Everything that it printed. */
  readonly output: () => string;
  /** A client of its database, as the schema's owner. */
  database(): Promise<pg.Client>;
  /** Ends it as Ctrl-C does and removes the home, unless it was given. */
  stop(): Promise<number | null>;
}

export interface Instance {
  readonly pid: number;
  readonly socketFolder: string;
  readonly endpoint: string;
  readonly copies: readonly number[];
  readonly postgres: number;
  /** Name in the tree → name in the local cloud. */
  readonly functions: Readonly<Record<string, string>>;
  readonly tables: readonly string[];
  /** URLs */
  readonly queues: readonly string[];
}

export const root = join(import.meta.dirname, '..');

export interface PlatformOptions {
  readonly home?: string;
  /** What is measured is committed to a disk. */
  readonly onDisk?: boolean;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

// Tests make more accounts and requests in a minute than a client does in a year; open orders are no rate.
const generous = Object.fromEntries(
  Object.values(limits)
    .filter(({ kind }) => kind !== 'open')
    .map(({ setting }) => [variableOf(setting), '100000']),
);

/** Starts `npm start`'s own program and waits for its `ready` line. */
export async function startPlatform(options: PlatformOptions = {}): Promise<Platform> {
  const home = options.home ?? (options.onDisk === true ? newHome(tmpdir()) : newHome());
  const child = spawn(
    process.execPath,
    ['infra/local/start.ts', '--home', home, '--port', '0', '--http-port', '0', ...(options.args ?? [])],
    {
      cwd: root,
      env: { ...process.env, NODE_COMPILE_CACHE: compileCache, ...generous, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let text = '';
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  await new Promise<void>((resolve, reject) => {
    const collect = (chunk: string): void => {
      text += chunk;
      if (/^ready /m.test(text)) resolve();
    };
    child.stdout.setEncoding('utf8').on('data', collect);
    child.stderr.setEncoding('utf8').on('data', collect);
    child.once('exit', (code) => reject(new Error(`the platform ended with ${String(code)} before it was ready:\n${text}`)));
  });
  const instance = JSON.parse(readFileSync(join(home, 'state', 'instance.json'), 'utf8')) as Instance & { url: string; pkiUrl: string };
  return {
    url: instance.url,
    pkiUrl: instance.pkiUrl,
    home,
    ca: readFileSync(join(home, 'ca.pem'), 'utf8'),
    token: readFileSync(join(home, 'admin-token'), 'utf8').trim(),
    instance,
    process: child,
    output: () => text,
    async database() {
      const client = new pg.Client({ host: instance.socketFolder, user: 'certctl_owner', database: 'certctl' });
      await client.connect();
      return client;
    },
    async stop() {
      child.kill('SIGINT');
      const code = await ended;
      if (options.home === undefined) removeHome(home);
      return code;
    },
  };
}

/** A home and its database, which lies outside of a home that PostgreSQL's user cannot enter. */
export function removeHome(home: string): void {
  const { database } = JSON.parse(readFileSync(join(home, 'home.json'), 'utf8')) as { database?: string };
  if (database !== undefined) rmSync(join(database, '..'), { recursive: true, force: true });
  rmSync(join(home, '..'), { recursive: true, force: true });
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly text: string;
  json(): Record<string, unknown>;
}

/** Somewhere a platform answers. */
export interface Target {
  readonly url: string;
  /** PEM of who vouches for its https; undefined: the authorities that Node knows. */
  readonly ca?: string | undefined;
  /** Connects there instead of where the URL's name leads, as curl's --connect-to does: before DNS knows the name. */
  readonly connectTo?: Readonly<Partial<Record<'http:' | 'https:', { readonly host: string; readonly port: number }>>>;
}

// Like a client of some standing, which asks again over the connection that it has.
const agents = { http: new http.Agent({ keepAlive: true }), https: new https.Agent({ keepAlive: true }) };

/** One request; https answers are verified against the platform's own trust anchor. */
export function request(
  target: Omit<Target, 'url'>,
  url: string,
  options: { readonly method?: string; readonly headers?: Record<string, string>; readonly body?: string | Uint8Array } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { protocol, hostname, host } = new URL(url);
    const secure = protocol === 'https:';
    const other = target.connectTo?.[protocol as 'http:' | 'https:'];
    const settings = {
      method: options.method ?? 'GET',
      headers: { ...options.headers, ...(other && { host }) },
      agent: secure ? agents.https : agents.http,
      ...(other && { hostname: other.host, port: other.port }),
      ...(secure && target.ca !== undefined && { ca: target.ca }),
      ...(secure && other && { servername: hostname }),
    };
    const sent = (secure ? https : http).request(url, settings, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const body = Buffer.concat(chunks);
        const headers = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)]));
        resolve({
          status: response.statusCode ?? 0,
          headers,
          body,
          text: body.toString('utf8'),
          json: () => JSON.parse(body.toString('utf8')) as Record<string, unknown>,
        });
      });
    });
    sent.on('error', (error: NodeJS.ErrnoException) => {
      // The server had ended the connection while it lay idle.
      if (sent.reusedSocket && error.code === 'ECONNRESET') request(target, url, options).then(resolve, reject);
      else reject(error);
    });
    sent.end(options.body);
  });
}

/** A call of the control plane with the admin token. */
export function api(
  platform: Platform,
  method: string,
  path: string,
  body?: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return request(platform, platform.url + path, {
    method,
    headers: { authorization: `Bearer ${platform.token}`, ...(body && { 'content-type': 'application/json' }), ...headers },
    ...(body && { body: JSON.stringify(body) }),
  });
}

/** Waits for a condition; fails with its name. */
export async function until<T>(what: string, condition: () => Promise<T | undefined> | T | undefined, seconds = 60): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = await condition();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Runs a loop by hand, as soon as no other run holds its lease. */
export function runLoop(platform: Platform, name: string): Promise<true> {
  return until(`${name} is free, and runs`, async () =>
    (await api(platform, 'POST', `/api/v1/admin/loops/${name}/run`)).status < 300 ? true : undefined,
  );
}

/** One statement on a connection of its own, as the schema's owner. */
export async function rowsOf<Row extends object>(
  platform: Platform,
  text: string,
  values: readonly unknown[] = [],
): Promise<readonly Row[]> {
  const database = await platform.database();
  try {
    return (await database.query<Row>(text, [...values])).rows;
  } finally {
    await database.end();
  }
}
