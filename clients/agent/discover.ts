import { createHash, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { discoveryLimits, reportDiscovery } from '#contract/agent-discoveries.ts';
import { nextDailyWindow } from '#domain/schedule/daily-window.ts';
import { ApiProblem } from '../http/problem.ts';
import type { Log } from './log.ts';
import type { PlatformConnection } from './platform.ts';
import { searchCertificates, searchLimits, type FoundPlace, type SearchResult } from './search.ts';
import { writeDurably } from './state-file.ts';

export interface DiscoverPorts {
  readonly agentId: string;
  readonly platform: PlatformConnection;
  readonly stateDir: string;
  readonly folders: readonly string[];
  readonly leftOut: readonly string[];
  /** Names of the host's secrets whose values open keystores. */
  readonly passwords: readonly string[];
  readonly secret: (name: string) => Promise<string | undefined>;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const everySeconds = 6 * 3600;
// What Java makes a keystore with when nobody says otherwise, and what comes of an export that nobody gave a password.
const everywhere = ['changeit', ''];
const maxPartBytes = 600_000;
const reported = z.strictObject({ digest: z.string(), at: z.number() });

/**
 * Searches the host and tells what was found: each time when it differs from what was told last, and once a day in any case, so that a database that sleeps is
 * woken by no host without news.
 *
 * @returns seconds until the next search
 * @throws {ApiProblem} when the platform did not take it
 */
export async function discover(ports: DiscoverPorts): Promise<number> {
  const { stateDir, folders, log } = ports;
  const began = performance.now();
  const { passwords, errors } = await passwordsOf(ports);
  const found = await searchCertificates(folders, [stateDir, ...ports.leftOut], passwords, ports.signal);
  const result = { ...found, errors: [...errors, ...found.errors].slice(0, searchLimits.errors) };
  const durationMs = Math.round(performance.now() - began);
  if (ports.signal.aborted) return everySeconds;
  const digest = digestOf(folders, result);
  const file = join(stateDir, 'discovery.json');
  const before = reported.safeParse(JSON.parse(await readFile(file, 'utf8').catch(() => 'null'))).data;
  const now = Date.now();
  if (before?.digest !== digest || nextDailyWindow(before.at) <= now) {
    await tellAny(ports, result, durationMs);
    await writeDurably(file, JSON.stringify({ digest, at: now }));
    log.info('discovery', { certificates: result.certificates.size, errors: result.errors.length, milliseconds: durationMs });
  }
  return Math.min(everySeconds, Math.max(1, Math.ceil((nextDailyWindow(Date.now()) - Date.now()) / 1000)));
}

/** The values of the secrets that the settings name, and those that are tried everywhere; what is wrong with the former. */
async function passwordsOf({ passwords: names, secret }: DiscoverPorts): Promise<{ passwords: string[]; errors: string[] }> {
  const passwords: string[] = [];
  const errors: string[] = [];
  for (const name of names) {
    const value = await secret(name).catch(() => undefined);
    if (value === undefined) errors.push(`discovery_passwords: this host has no secret ${name} that can be read; it was not tried`);
    else passwords.push(value);
  }
  return { passwords: [...new Set([...passwords, ...everywhere])], errors };
}

function digestOf(folders: readonly string[], { certificates, errors }: SearchResult): string {
  const places = [...certificates].flatMap(([fingerprint, { places: each }]) =>
    each.map((place) => `${fingerprint} ${JSON.stringify(place)}`),
  );
  return createHash('sha256')
    .update([...folders, ...places.sort(), ...errors].join('\n'))
    .digest('hex');
}

/** Tells it; a platform that knows no keystores yet hears of the rest. */
async function tellAny(ports: DiscoverPorts, result: SearchResult, durationMs: number): Promise<void> {
  try {
    await tell(ports, result, durationMs);
  } catch (error) {
    const rest = withoutKeystores(result);
    if (!(error instanceof ApiProblem) || error.status !== 400 || rest === undefined) throw error;
    ports.log.warn('the platform takes no certificates of keystores; is it older than this agent?', { error });
    await tell(ports, rest, durationMs);
  }
}

/** Undefined when it is everything. */
function withoutKeystores({ certificates, errors }: SearchResult): SearchResult | undefined {
  const isPlain = ({ format }: FoundPlace): boolean => format === 'pem' || format === 'der';
  const all = [...certificates];
  if (all.every(([, { places }]) => places.every(isPlain))) return undefined;
  const rest = all.map(([fingerprint, { der, places }]) => [fingerprint, { der, places: places.filter(isPlain) }] as const);
  return {
    certificates: new Map(rest.filter(([, { places }]) => places.length > 0)),
    errors: ['certificates in keystores: the platform does not take them', ...errors].slice(0, searchLimits.errors),
    complete: false,
  };
}

async function tell({ agentId, platform, folders }: DiscoverPorts, result: SearchResult, durationMs: number): Promise<void> {
  const scan = `scan-${randomUUID().replaceAll('-', '')}`;
  const parts = partsOf(result);
  for (const [part, certificates] of parts.entries()) {
    const body = {
      scan,
      part,
      last: part === parts.length - 1,
      complete: result.complete,
      directories: [...folders],
      certificates,
      errors: part === 0 ? [...result.errors] : [],
      duration_ms: durationMs,
    };
    await platform.call(reportDiscovery, { params: { id: agentId }, body });
  }
}

type Said = z.input<typeof reportDiscovery.body>['certificates'];

/** As many certificates at a time as a request may carry; one part at least, for nothing found is something to tell. */
function partsOf({ certificates }: SearchResult): readonly Said[] {
  const parts: Said[] = [[]];
  let bytes = 0;
  for (const { der, places } of certificates.values()) {
    const one = { certificate: der.toString('base64'), places: [...places] };
    const size = JSON.stringify(one).length;
    if ((parts.at(-1)?.length ?? 0) >= discoveryLimits.inPart || (bytes > 0 && bytes + size > maxPartBytes)) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(one);
    bytes += size;
  }
  return parts;
}
