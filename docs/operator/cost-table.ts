import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readConfig } from '#infra/config.ts';
import { estimate, type Estimate, type Usage } from '#infra/report/cost.ts';
import { templatesOf } from '#infra/report/templates.ts';

// `node docs/operator/cost-table.ts` writes the tables of costs into the page.

export const costPage = join(import.meta.dirname, 'cost.md');

const rest: Usage = { certificates: 0, renewals: 0, ocspRequests: 0, apiCalls: 0 };
const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const head = (cells: readonly string[]): readonly string[] => [row(cells), row(cells.map(() => '---'))];
const dollars = (value: number): string => value.toFixed(2);

async function monthOf(context: object, usage: Usage): Promise<Estimate> {
  const config = readConfig(context);
  return estimate(await templatesOf(config), config, usage);
}

/** The smallest form at rest, line by line. */
async function atRestTable(): Promise<string> {
  const { lines, listed, paid } = await monthOf({}, rest);
  const rows = lines.map((line) => row([line.what, dollars(line.listed), dollars(line.paid)]));
  return [...head(['at rest', 'without allowances', 'with them']), ...rows, row(['**sum**', dollars(listed), dollars(paid)])].join('\n');
}

const vaults = { copyToVaultArns: ['arn:aws:backup:eu-west-1:111122223333:backup-vault:copies'] };
const certificateArn = 'arn:aws:acm:us-east-1:111122223333:certificate/0';
const forms: readonly (readonly [string, object, Usage])[] = [
  ['nothing happens', {}, rest],
  ['nothing happens, no dashboard', { dashboard: false }, rest],
  ['100 certificates, 50 renewals', {}, { ...rest, certificates: 100, renewals: 50 }],
  ['10,000 certificates, 5,000 renewals', {}, { ...rest, certificates: 10_000, renewals: 5000 }],
  ['the same, 1 million OCSP requests', {}, { ...rest, certificates: 10_000, renewals: 5000, ocspRequests: 1_000_000 }],
  ['1 million certificates, 500,000 renewals', { minCapacity: 2, maxCapacity: 16 }, { ...rest, certificates: 1e6, renewals: 5e5 }],
  ['at rest, full metrics', { metrics: 'full' }, rest],
  ['at rest, a load balancer', { loadBalancer: { domain: 'pki.example.com', certificateArn } }, rest],
  ['at rest, NAT', { egress: 'nat' }, rest],
  ['at rest, awake with a proxy', { minCapacity: 0.5, proxy: true }, rest],
  ['at rest, backups with a copy', { backup: vaults }, rest],
];

async function formsTable(): Promise<string> {
  const rows: string[] = [];
  for (const [what, context, usage] of forms) {
    const { listed, paid } = await monthOf(context, usage);
    rows.push(row([what, `\`${JSON.stringify(context).replaceAll(/arn:aws[^"]*/g, '…')}\``, dollars(listed), dollars(paid)]));
  }
  return [...head(['a month in which', 'settings', 'without allowances', 'with them']), ...rows].join('\n');
}

/** A million of one operation beyond what rests, with a database that is awake anyway. */
async function millionsTable(): Promise<string> {
  const awake = { minCapacity: 0.5 };
  const base = await monthOf(awake, rest);
  const million = 1e6;
  const issued = await monthOf(awake, { ...rest, renewals: million });
  const asked = await monthOf(awake, { ...rest, ocspRequests: million });
  const called = await monthOf(awake, { ...rest, apiCalls: million });
  const rows = [
    row(['certificates issued by ACME', dollars(issued.listed - base.listed)]),
    row(['OCSP requests that no cache answers', dollars(asked.listed - base.listed)]),
    row(['calls of the control plane', dollars(called.listed - base.listed)]),
  ];
  return [...head(['a million', 'dollars at list']), ...rows].join('\n');
}

const tables = { 'at rest': atRestTable, forms: formsTable, millions: millionsTable } as const;

/** A page with its tables made anew. @throws {Error} when the page has no place for one */
export async function withTables(page: string): Promise<string> {
  let text = page;
  for (const [name, make] of Object.entries(tables)) {
    const begin = `<!-- made by docs/operator/cost-table.ts: ${name} -->`;
    const from = text.indexOf(begin);
    const to = text.indexOf('<!-- end -->', from);
    if (from < 0 || to < from) throw new Error(`the page has no place for the table "${name}"`);
    text = `${text.slice(0, from)}${begin}\n${await make()}\n${text.slice(to)}`;
  }
  return text;
}

if (import.meta.main) writeFileSync(costPage, await withTables(readFileSync(costPage, 'utf8')));
