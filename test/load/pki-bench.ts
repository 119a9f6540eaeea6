import { spawn } from 'node:child_process';
import { join } from 'node:path';

export interface MeasuredPki {
  readonly what: string;
  readonly perSecond?: number;
  readonly p50ms?: number;
  readonly p99ms?: number;
  readonly seconds?: number;
  readonly megabytes?: number;
  readonly note: string;
}

interface Compared {
  readonly raw: number;
  readonly ours: number;
}

/**
 * What certificates, OCSP responses and CRLs cost beside the raw crypto of the same run, and how many certificates a second are stored.
 *
 * @param socketFolder of a database that may be filled with orders and certificates
 */
export async function measurePki(socketFolder: string): Promise<readonly MeasuredPki[]> {
  const leaf = await measured<Compared>('leaf');
  const ocsp = await measured<Compared>('ocsp');
  const crl = await measured<{ seconds: number; megabytes: number }>('crl');
  const stored = await measured<{ perSecond: number; p50ms: number; p99ms: number }>('store', socketFolder);
  const prepared = await measured<{ milliseconds: number }>('prepared', socketFolder);
  return [
    { what: 'CSR to signed leaf, one core', perSecond: leaf.ours, note: ratio(leaf, 'import, verify, sign', 'goal 50 % and 3000/s') },
    { what: 'OCSP response signed, one core', perSecond: ocsp.ours, note: ratio(ocsp, 'sign', 'goal 40 %') },
    {
      what: 'OCSP response given again, CPU',
      seconds: prepared.milliseconds / 1000,
      note: `${prepared.milliseconds.toFixed(2)} ms with its query; goal 0.2 ms`,
    },
    { what: 'CRL of 1,000,000 entries', ...crl, note: 'built, linted, signed; goal 3 s of CPU, 500 MB' },
    {
      what: 'issue and store, 16 callers',
      ...stored,
      note: `two commits each, shared by who comes at the same time; client and database on the same cores; ${share(stored.perSecond, ocsp.raw)}`,
    },
  ];
}

// What the goal's own machine signs, by its issue: 41,000 a second on each of two cores.
const goalOfStored = 1000 / (2 * 41_000);

/** @param signed P-256 signatures per second of one core's time */
function share(perSecond: number, signed: number): string {
  const percent = (part: number): string => `${(100 * part).toFixed(2)} %`;
  return `${percent(perSecond / (2 * signed))} of what two cores sign here; goal 1000/s where those sign 82000, ${percent(goalOfStored)}`;
}

function ratio({ raw, ours }: Compared, crypto: string, goal: string): string {
  return `${((100 * ours) / raw).toFixed(0)} % of ${raw.toFixed(0)}/s, which is ${crypto} alone; ${goal}`;
}

async function measured<T>(which: string, ...args: readonly string[]): Promise<T> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'pki-load.ts'), which, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  await new Promise((resolve) => child.once('close', resolve));
  return JSON.parse(said) as T;
}
